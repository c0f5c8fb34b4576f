import dev.gatun.Adam;
import dev.gatun.DType;
import dev.gatun.Device;
import dev.gatun.DeviceMemory;
import dev.gatun.Optimizer;
import dev.gatun.Parameter;
import dev.gatun.Tensor;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * What a step costs the thread that asks a GPU for it, while addresses stay: microseconds and bytes of Java heap. Bursts of 8
 * steps, half of those that may be on their way without waiting, then a wait for the device that is not timed.
 *
 * <p>Arguments: lists such as 1x64 or 10000x64 (tensors x elements). Prints one JSON object per list, as the other programs
 * of bench/gpu do.
 */
public final class HostTime {
    private static final int BURST = 8;

    private HostTime() {}

    /** Exits with 77 and the reason where there is no CUDA device. */
    public static void main(String[] lists) {
        var status = Device.cudaStatus();
        if (status.reason() != null) {
            System.out.println("no CUDA device: " + status.reason());
            System.exit(77);
        }
        try (Device device = Device.cuda(0)) {
            for (String list : lists) {
                measure(device, list);
            }
        }
    }

    private static void measure(Device device, String list) {
        int tensors = Integer.parseInt(list.substring(0, list.indexOf('x')));
        long elements = Long.parseLong(list.substring(list.indexOf('x') + 1));
        long stride = Math.ceilDiv(elements * 4, 256) * 256;
        int bursts = Integer.getInteger("gatun.bench.bursts", 300);
        try (DeviceMemory weights = device.allocate(tensors * stride);
                DeviceMemory gradients = device.allocate(tensors * stride)) {
            List<Parameter> parameters = new ArrayList<>();
            List<Tensor> bound = new ArrayList<>();
            for (int i = 0; i < tensors; i++) {
                parameters.add(Parameter.of("tensor" + i, view(device, weights, i * stride, elements)));
                bound.add(view(device, gradients, i * stride, elements));
            }
            try (Optimizer optimizer = Optimizer.builder(device)
                    .group(Adam.w(1e-3), parameters)
                    .checkFinite(false)
                    .build()) {
                optimizer.bindGradients(bound);
                var thread = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
                double[] nanos = new double[bursts];
                for (int warm = 0; warm < 20 * bursts; warm += BURST) { // until the JIT compiler is done with a step
                    burst(optimizer);
                    device.synchronize();
                }
                long allocated = 0;
                for (int i = 0; i < bursts; i++) {
                    long before = thread.getCurrentThreadAllocatedBytes();
                    long begin = System.nanoTime();
                    burst(optimizer);
                    nanos[i] = System.nanoTime() - begin;
                    allocated = Math.max(allocated, thread.getCurrentThreadAllocatedBytes() - before);
                    device.synchronize();
                }
                Arrays.sort(nanos);
                System.out.printf(
                        Locale.ROOT,
                        "{\"stage\": \"times\", \"kind\": \"java_host\", \"list\": \"%s\", \"tensors\": %d, \"host_us\": %.3f,"
                                + " \"host_us_worst\": %.3f, \"allocated_bytes\": %d, \"device\": \"%s\", \"run\": \"%s\"}%n",
                        list,
                        tensors,
                        nanos[bursts / 2] / 1e3 / BURST,
                        nanos[bursts - 1] / 1e3 / BURST,
                        allocated,
                        device.name(),
                        System.getenv("GATUN_BENCH_RUN"));
            }
        }
    }

    private static void burst(Optimizer optimizer) {
        for (int i = 0; i < BURST; i++) {
            optimizer.step();
        }
    }

    private static Tensor view(Device device, DeviceMemory memory, long offset, long elements) {
        return new Tensor(memory.segment().asSlice(offset, elements * 4), DType.F32, Device.Kind.CUDA, elements);
    }
}
