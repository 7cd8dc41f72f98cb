/* The shared block of the stand-in NVML library, and what its two halves share.
 *
 * One file, mapped by this library and by Python (energyprof/testing/shared_block.py mirrors every struct, and
 * energyprof_stand_in_block_bytes lets it check that it does). Powers are integer milliwatts and times integer
 * nanoseconds, so that an energy is an exact integer of picojoules (mW x ns) on both sides.
 */
#ifndef ENERGYPROF_NVML_STAND_IN_H
#define ENERGYPROF_NVML_STAND_IN_H

#include <stdint.h>

#define BLOCK_MAGIC INT64_C(0x454e50524f463031) /* "ENPROF01" */
#define MAX_DEVICES 8
#define MAX_SEGMENTS 131072
#define MAX_FAULTS 64
#define MAX_FUNCTIONS 160
#define MAX_PROCESSES 16
#define MAX_MIG 7
#define NAME_BYTES 96

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6,
       INSUFFICIENT_SIZE = 7, DRIVER_NOT_LOADED = 9 };

enum { FAULT_NONE = 0, FAULT_ERROR = 1, FAULT_SLOW = 2, FAULT_COUNTER_RESET = 3, FAULT_COUNTER_FROZEN = 4,
       FAULT_BAD_STAMP = 5 };

struct segment {
    int64_t start_ns;
    int64_t power_mw;
    int64_t cumulative_pj; /* from the first segment's start to this one's */
};

struct schedule {
    int64_t sequence; /* odd while Python writes: a seqlock */
    int64_t count;
    int64_t repeat_from; /* segments from this one on repeat with the period end_ns - start_ns, -1: none do */
    int64_t end_ns;
    int64_t before_mw; /* power before the first segment */
};

struct sensor {
    int64_t refresh_ns, phase_ns, jitter_ns, window_ns, average_ns, lag_ns;
    int64_t counter_ns, counter_phase_ns, counter_windowed, counter_unit_mj, counter_base_mj;
    int64_t sample_ns, sample_ring;
    int64_t usage_is_average, has_fields, stamp_at_call;
    int64_t seed;
    double gain, offset_mw, noise_mw, counter_gain;
};

struct process {
    int64_t pid, memory_bytes, graphics;
};

struct device {
    char name[NAME_BYTES], uuid[NAME_BYTES], serial[NAME_BYTES], bus_id[NAME_BYTES];
    char mig_uuid[MAX_MIG][NAME_BYTES];
    int64_t architecture, capability_major, capability_minor, brand;
    int64_t memory_total, memory_reserved, memory_used;
    int64_t limit_mw, default_limit_mw, minimum_limit_mw, maximum_limit_mw;
    int64_t busy_percent, memory_busy_percent, temperature_c, clock_reasons;
    int64_t clock_mhz[4], maximum_clock_mhz[4];
    int64_t performance_state, persistence, compute_mode;
    int64_t mig_mode, mig_pending, mig_count, mig_memory;
    int64_t module_extra_mw, memory_permille; /* scopes 1 and 2 of the power fields; -1: not supported */
    int64_t process_count;
    struct process processes[MAX_PROCESSES];
    struct sensor sensor;
    struct schedule schedule;
};

struct fault {
    char function[NAME_BYTES]; /* without its version suffix, "field:<id>", or "" for every function */
    int64_t kind, device;      /* device -1: every device, and calls that name none */
    int64_t from_ns, until_ns;
    int64_t code, delay_ns, seed;
    double probability;
};

struct call_count {
    char function[NAME_BYTES];
    int64_t calls[MAX_DEVICES + 1]; /* the last one: calls that name no device */
};

struct block {
    int64_t magic, bytes;
    int64_t is_virtual, now_ns, wall_offset_ns, boot_ns, call_ns;
    int64_t device_count, fault_count, function_count, function_lock;
    char driver_version[NAME_BYTES], nvml_version[NAME_BYTES];
    int64_t cuda_version;
    struct device devices[MAX_DEVICES];
    struct fault faults[MAX_FAULTS];
    struct call_count functions[MAX_FUNCTIONS];
    struct segment segments[MAX_DEVICES][MAX_SEGMENTS];
};

#define EXPORT __attribute__((visibility("default")))
#define HIDDEN __attribute__((visibility("hidden")))

/* The model half (nvml_stand_in_model.c). */
EXPORT int energyprof_stand_in_open(const char *path);
EXPORT int64_t energyprof_stand_in_block_bytes(void);
HIDDEN struct block *stand_in_block(void);
HIDDEN int stand_in_hold(void);
HIDDEN void stand_in_release(int *held);
HIDDEN int64_t stand_in_now_ns(void);
HIDDEN int64_t stand_in_wall_us(int64_t time_ns);
HIDDEN int64_t stand_in_power_edge_ns(const struct device *device, int64_t now_ns);
HIDDEN int64_t stand_in_counter_edge_ns(const struct device *device, int64_t now_ns);
HIDDEN int64_t stand_in_instant_mw(const struct device *device, int64_t edge_ns);
HIDDEN int64_t stand_in_average_mw(const struct device *device, int64_t edge_ns);
HIDDEN int64_t stand_in_counter_mj(const struct device *device, int64_t now_ns);
HIDDEN int64_t stand_in_scope_mw(const struct device *device, int64_t power_mw, int64_t scope);

/* The entrance of every call (nvml_stand_in_calls.c). */
HIDDEN int stand_in_enter(int *slot, const char *function, int device);
HIDDEN int stand_in_begin(void);
HIDDEN int stand_in_end(void);
HIDDEN void stand_in_forget(void);
HIDDEN int64_t stand_in_count_call(int *slot, const char *function, int device);
HIDDEN int stand_in_apply_faults(const char *function, int device, int64_t call_number);
HIDDEN const struct fault *stand_in_fault(int64_t kind, int device, int64_t now_ns);
HIDDEN void *stand_in_handle(int64_t device, int64_t mig);
HIDDEN int stand_in_device_of(const void *handle);
HIDDEN int stand_in_mig_of(const void *handle);

#define ALIAS(name, target) EXPORT int name(void) __attribute__((alias(#target)))

/* Keep the block mapped until the function returns, whatever thread closes it meanwhile. */
#define HOLD() __attribute__((cleanup(stand_in_release), unused)) int held = stand_in_hold()

#define OPEN_SYSTEM()                                                  \
    static int slot = -1;                                              \
    HOLD();                                                            \
    int failed = stand_in_enter(&slot, __func__, -1);                  \
    if (failed != SUCCESS)                                             \
        return failed

/* Begin a function that takes a handle, also a MIG one: `d` is its device. */
#define OPEN_ANY(handle)                                               \
    static int slot = -1;                                              \
    HOLD();                                                            \
    int index = stand_in_device_of(handle);                            \
    int failed = stand_in_enter(&slot, __func__, index);               \
    if (failed != SUCCESS)                                             \
        return failed;                                                 \
    if (index < 0)                                                     \
        return INVALID_ARGUMENT;                                       \
    struct device *d = &stand_in_block()->devices[index];              \
    (void)d

/* Begin a function that takes a whole device only. */
#define OPEN(handle)                                                   \
    OPEN_ANY(handle);                                                  \
    if (stand_in_mig_of(handle) >= 0)                                  \
        return NOT_SUPPORTED

/* A function that gives one number of a device. */
#define GETTER(name, type, expression)                                 \
    EXPORT int name(void *handle, type *out)                           \
    {                                                                  \
        OPEN(handle);                                                  \
        *out = (type)(expression);                                     \
        return SUCCESS;                                                \
    }

#endif
