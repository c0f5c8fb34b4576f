"""Gatun's C ABI through ctypes, for arrays that another framework owns: enough to take steps from Python.

Nothing here repeats gatun.h: sizes, offsets and constants come from the abi_dump program, which the C compiler made of
it. So a field that moves cannot be written to the wrong place. Needs the standard library only.
"""
import ctypes
import struct
import subprocess

PACK = {"f64": "d", "i32": "i", "i64": "q", "pointer": "P"}


class Abi:
    """What abi_dump says: struct NAME SIZE ALIGN, field STRUCT.NAME OFFSET SIZE KIND, constant NAME VALUE."""

    def __init__(self, program):
        self.sizes, self.fields, self.constants = {}, {}, {}
        for line in subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines():
            word, name, *rest = line.split()
            if word == "struct":
                self.sizes[name] = int(rest[0])
            elif word == "field":
                self.fields[name] = (int(rest[0]), rest[2])
            elif word == "constant":
                self.constants[name] = int(rest[0])

    def constant(self, name):
        return self.constants["GATUN_" + name]

    def write(self, memory, at, of, **values):
        """Writes fields of a struct that lies in memory at an offset; addresses are integers."""
        for name, value in values.items():
            if f"{of}.{name}" not in self.fields:
                raise ValueError(f"{of} has no field {name}: this file is older or newer than gatun.h")
            offset, kind = self.fields[f"{of}.{name}"]
            if isinstance(value, (list, tuple)):  # an array of pointers, or of structs as dictionaries
                for i, element in enumerate(value):
                    if isinstance(element, dict):
                        kind_of = element["struct"]
                        inner = {k: v for k, v in element.items() if k != "struct"}
                        self.write(memory, at + offset + i * self.sizes[kind_of], kind_of, **inner)
                    else:
                        struct.pack_into("P", memory, at + offset + 8 * i, element)
            else:
                struct.pack_into(PACK[kind], memory, at + offset, value)

    def make(self, of, count=1):
        return ctypes.create_string_buffer(max(1, count) * self.sizes[of])


class Gatun:
    """libgatun.so, and a context on the CPU or on a CUDA device, in the caller's stream if one is given."""

    def __init__(self, library, abi_dump, cuda=None, stream=0, threads=0):
        self.abi = Abi(abi_dump)
        self.native = ctypes.CDLL(library)
        self.native.gatun_last_error.restype = ctypes.c_char_p
        self.context = ctypes.c_void_p()
        if cuda:
            self.check(self.native.gatun_cuda_open(str(cuda).encode()))
        options = self.abi.make("gatun_context_options")
        backend = self.abi.constant("CUDA" if cuda else "CPU")
        self.abi.write(options, 0, "gatun_context_options", stream=stream, backend=backend, threads=threads)
        self.check(self.native.gatun_context_create(options, ctypes.byref(self.context)))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.native.gatun_last_error().decode())

    def device(self):
        info = self.abi.make("gatun_device_info")
        self.check(self.native.gatun_context_info(self.context, info))
        at = self.abi.fields["gatun_device_info.name"][0]
        return info.raw[at:].split(b"\0")[0].decode()

    def synchronize(self):
        self.check(self.native.gatun_context_synchronize(self.context))

    def close(self):
        if self.context:
            self.check(self.native.gatun_context_destroy(self.context))
            self.context = None


class Plan:
    """One group of F32 tensors.

    tensors: dictionaries with weight, gradient and state (addresses), length, rows, matrix. counters: the address of
    len(tensors) + 1 zeroed int64 on the device. arguments: the fields of the rule's struct. All memory is the caller's
    and must outlive the plan.
    """

    def __init__(self, gatun, rule, arguments, tensors, counters, transforms=()):
        abi, self.gatun = gatun.abi, gatun
        flag_matrix, flag_decay = abi.constant("TENSOR_MATRIX"), abi.constant("TENSOR_DECAY")
        described = abi.make("gatun_tensor", len(tensors))
        for i, tensor in enumerate(tensors):
            flags = flag_decay | (flag_matrix if tensor["matrix"] else 0)
            values = {name: tensor[name] for name in ("weight", "gradient", "state", "length", "rows")}
            abi.write(described, i * abi.sizes["gatun_tensor"], "gatun_tensor", flags=flags, **values)
        of_rule = abi.make("gatun_" + rule)
        abi.write(of_rule, 0, "gatun_" + rule, **arguments)
        group = abi.make("gatun_group")
        abi.write(
            group, 0, "gatun_group", tensors=ctypes.addressof(described), count=len(tensors), counters=counters,
            arguments=ctypes.addressof(of_rule), transforms=[dict(t, struct="gatun_transform") for t in transforms],
            transform_count=len(transforms), rule=abi.constant("RULE_" + rule.upper()), dtype=abi.constant("F32"))
        self.plan = ctypes.c_void_p()
        gatun.check(gatun.native.gatun_plan_create(gatun.context, group, ctypes.c_int64(1), ctypes.byref(self.plan)))
        self.lr = ctypes.c_double(1e-3)
        self.arguments = abi.make("gatun_step_arguments")
        abi.write(self.arguments, 0, "gatun_step_arguments", lr=ctypes.addressof(self.lr), gradient_scale=1.0, flags=0)

    def step(self, lr):
        self.lr.value = lr
        self.gatun.check(self.gatun.native.gatun_step(self.plan, self.arguments))

    def close(self):
        if self.plan:
            self.gatun.check(self.gatun.native.gatun_plan_destroy(self.plan))
            self.plan = None
