package dev.gatun.cli;

import dev.gatun.Device;
import dev.gatun.DeviceMemory;
import dev.gatun.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Puts host tensors where a device works on them: they stay where they are for the CPU, and are copied for CUDA. */
final class Placement implements AutoCloseable {
    private final Device device;
    private final List<DeviceMemory> owned = new ArrayList<>();

    Placement(Device device) {
        this.device = device;
    }

    /** The tensor that the device uses in place of {@code host}. On the CPU it is {@code host} itself. */
    Tensor place(Tensor host) {
        if (device.kind() == Device.Kind.CPU) {
            return host;
        }
        DeviceMemory memory = device.allocate(host.memory().byteSize());
        owned.add(memory);
        Tensor placed = new Tensor(memory.segment(), host.dtype(), device.kind(), host.shape());
        upload(host, placed);
        return placed;
    }

    /** Makes {@code placed} equal to {@code host}, from which it was made. */
    void upload(Tensor host, Tensor placed) {
        if (placed != host) {
            device.copy(placed.memory(), host.memory());
        }
    }

    /** Makes {@code host} equal to {@code placed}, once everything asked of the device so far has happened. */
    void download(Tensor placed, Tensor host) {
        if (placed != host) {
            device.copy(host.memory(), placed.memory());
        }
        device.synchronize();
    }

    @Override
    public void close() {
        owned.forEach(DeviceMemory::close);
        owned.clear();
    }
}
