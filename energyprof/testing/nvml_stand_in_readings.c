/* The stand-in's readings of a device: power, energy, samples, fields, memory, clocks, processes. */
#define _GNU_SOURCE
#include "nvml_stand_in.h"

#include <stdio.h>

typedef union { double d; unsigned int ui; unsigned long ul; unsigned long long ull; long long sll; } value;
typedef struct { unsigned long long stamp_us; value value; } sample;
typedef struct {
    uint32_t field, scope;
    int64_t stamp_us, latency_us;
    uint32_t type, status;
    value value;
} field_value;
typedef struct {
    unsigned int pid;
    unsigned long long memory;
    unsigned int gpu_instance, compute_instance;
} process_info;

enum { VALUE_UNSIGNED_INT = 1, VALUE_UNSIGNED_LONG_LONG = 3 };
enum { FIELD_ENERGY = 83, FIELD_POWER_AVERAGE = 185, FIELD_POWER_INSTANT = 186 };

/* ---- power and energy ---- */

EXPORT int nvmlDeviceGetPowerUsage(void *handle, unsigned int *out)
{
    OPEN(handle);
    int64_t edge = stand_in_power_edge_ns(d, stand_in_now_ns());
    *out = (unsigned int)(d->sensor.usage_is_average ? stand_in_average_mw(d, edge) : stand_in_instant_mw(d, edge));
    return SUCCESS;
}

EXPORT int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *out)
{
    OPEN(handle);
    if (d->sensor.counter_ns == 0)
        return NOT_SUPPORTED;
    *out = (unsigned long long)stand_in_counter_mj(d, stand_in_now_ns());
    return SUCCESS;
}

static void stamp(const struct device *d, field_value *field, int64_t edge_ns, int64_t now_ns)
{
    int index = (int)(d - stand_in_block()->devices);
    int broken = stand_in_fault(FAULT_BAD_STAMP, index, now_ns) != NULL;
    field->stamp_us = broken ? 0 : stand_in_wall_us(d->sensor.stamp_at_call ? now_ns : edge_ns);
    field->latency_us = stand_in_block()->call_ns / 1000;
}

static int has_scope(const struct device *d, uint32_t scope)
{
    return scope == 0 || (scope == 1 && d->module_extra_mw >= 0) || (scope == 2 && d->memory_permille >= 0);
}

static int read_field(const struct device *d, field_value *field, int64_t now_ns)
{
    int64_t edge_ns = stand_in_power_edge_ns(d, now_ns);
    if (field->field == FIELD_ENERGY && d->sensor.counter_ns > 0) {
        field->type = VALUE_UNSIGNED_LONG_LONG;
        field->value.ull = (unsigned long long)stand_in_counter_mj(d, now_ns);
        stamp(d, field, stand_in_counter_edge_ns(d, now_ns), now_ns);
        return SUCCESS;
    }
    int average = field->field == FIELD_POWER_AVERAGE && d->sensor.average_ns > 0;
    if ((!average && field->field != FIELD_POWER_INSTANT) || !has_scope(d, field->scope))
        return NOT_SUPPORTED;
    int64_t power_mw = average ? stand_in_average_mw(d, edge_ns) : stand_in_instant_mw(d, edge_ns);
    field->type = VALUE_UNSIGNED_INT;
    field->value.ui = (unsigned int)stand_in_scope_mw(d, power_mw, field->scope);
    stamp(d, field, edge_ns, now_ns);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetFieldValues(void *handle, int count, field_value *fields)
{
    OPEN(handle);
    if (!d->sensor.has_fields)
        return NOT_SUPPORTED;
    for (int k = 0; k < count; k++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "field:%u", fields[k].field);
        int field_slot = -1;
        int64_t number = stand_in_count_call(&field_slot, name, index);
        fields[k].status = (uint32_t)stand_in_apply_faults(name, index, number);
        if (fields[k].status == SUCCESS)
            fields[k].status = (uint32_t)read_field(d, &fields[k], stand_in_now_ns());
    }
    return SUCCESS;
}

EXPORT int nvmlDeviceGetSamples(void *handle, unsigned int kind, unsigned long long seen_us,
                                unsigned int *type, unsigned int *count, sample *out)
{
    OPEN(handle);
    const struct sensor *s = &d->sensor;
    if (kind != 0 || s->sample_ns == 0)
        return NOT_SUPPORTED;
    *type = VALUE_UNSIGNED_INT;
    int64_t newest = (stand_in_now_ns() - s->phase_ns) / s->sample_ns;
    unsigned int found = 0, room = out == NULL ? (unsigned int)s->sample_ring : *count;
    for (int64_t k = newest - s->sample_ring + 1; k <= newest && found < room; k++) {
        int64_t at_ns = s->phase_ns + k * s->sample_ns;
        if (at_ns < stand_in_block()->boot_ns || stand_in_wall_us(at_ns) <= (int64_t)seen_us)
            continue;
        if (out != NULL) {
            out[found].stamp_us = (unsigned long long)stand_in_wall_us(at_ns);
            out[found].value.ull = 0;
            out[found].value.ui = (unsigned int)stand_in_instant_mw(d, at_ns);
        }
        found++;
    }
    *count = out == NULL && found > 0 ? (unsigned int)s->sample_ring : found;
    return found > 0 ? SUCCESS : NOT_FOUND;
}

/* ---- state ---- */

EXPORT int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long *out) /* {total, free, used} */
{
    OPEN_ANY(handle);
    int64_t total = stand_in_mig_of(handle) >= 0 ? d->mig_memory : d->memory_total;
    int64_t used = d->memory_used + d->memory_reserved; /* the first version counts the driver's own as used */
    out[0] = (unsigned long long)total;
    out[1] = (unsigned long long)(used < total ? total - used : 0);
    out[2] = (unsigned long long)(used < total ? used : total);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMemoryInfo_v2(void *handle, unsigned long long *out) /* {version, total, reserved, free, used} */
{
    OPEN_ANY(handle);
    int64_t total = stand_in_mig_of(handle) >= 0 ? d->mig_memory : d->memory_total;
    int64_t taken = d->memory_used + d->memory_reserved;
    out[1] = (unsigned long long)total;
    out[2] = (unsigned long long)d->memory_reserved;
    out[3] = (unsigned long long)(taken < total ? total - taken : 0);
    out[4] = (unsigned long long)d->memory_used;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetUtilizationRates(void *handle, unsigned int *out) /* {gpu, memory} */
{
    OPEN(handle);
    out[0] = (unsigned int)d->busy_percent;
    out[1] = (unsigned int)d->memory_busy_percent;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetTemperature(void *handle, unsigned int sensor, unsigned int *out)
{
    OPEN(handle);
    *out = (unsigned int)d->temperature_c;
    return sensor == 0 ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT int nvmlDeviceGetTemperatureV(void *handle, int *out) /* {version, sensor, temperature} */
{
    OPEN(handle);
    out[2] = (int)d->temperature_c;
    return out[1] == 0 ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT int nvmlDeviceGetClockInfo(void *handle, unsigned int kind, unsigned int *out)
{
    OPEN(handle);
    *out = kind < 4 ? (unsigned int)d->clock_mhz[kind] : 0;
    return kind < 4 ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT int nvmlDeviceGetMaxClockInfo(void *handle, unsigned int kind, unsigned int *out)
{
    OPEN(handle);
    *out = kind < 4 ? (unsigned int)d->maximum_clock_mhz[kind] : 0;
    return kind < 4 ? SUCCESS : INVALID_ARGUMENT;
}

static int one_clock(unsigned int *count, unsigned int *out, int64_t clock_mhz)
{
    int fits = out != NULL && *count >= 1;
    *count = 1;
    if (fits)
        out[0] = (unsigned int)clock_mhz;
    return fits ? SUCCESS : INSUFFICIENT_SIZE;
}

EXPORT int nvmlDeviceGetSupportedMemoryClocks(void *handle, unsigned int *count, unsigned int *out)
{
    OPEN(handle);
    return one_clock(count, out, d->maximum_clock_mhz[2]);
}

EXPORT int nvmlDeviceGetSupportedGraphicsClocks(void *handle, unsigned int memory_mhz, unsigned int *count,
                                                unsigned int *out)
{
    OPEN(handle);
    return memory_mhz == d->maximum_clock_mhz[2] ? one_clock(count, out, d->maximum_clock_mhz[0]) : NOT_FOUND;
}

GETTER(nvmlDeviceGetPowerState, unsigned int, d->performance_state)
GETTER(nvmlDeviceGetPerformanceState, unsigned int, d->performance_state)
GETTER(nvmlDeviceGetCurrentClocksThrottleReasons, unsigned long long, d->clock_reasons)
GETTER(nvmlDeviceGetCurrentClocksEventReasons, unsigned long long, d->clock_reasons)
GETTER(nvmlDeviceGetSupportedClocksThrottleReasons, unsigned long long, 0x1ff)
GETTER(nvmlDeviceGetSupportedClocksEventReasons, unsigned long long, 0x1ff)

static int list_processes(const struct device *d, int graphics, unsigned int *count, process_info *out)
{
    unsigned int found = 0, room = out == NULL ? 0 : *count;
    for (int64_t k = 0; k < d->process_count; k++) {
        if (d->processes[k].graphics != graphics)
            continue;
        if (found < room)
            out[found] = (process_info){(unsigned int)d->processes[k].pid,
                                        (unsigned long long)d->processes[k].memory_bytes, 0xffffffff, 0xffffffff};
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned int *count, process_info *out)
{
    OPEN_ANY(handle);
    return list_processes(d, 0, count, out);
}
ALIAS(nvmlDeviceGetComputeRunningProcesses_v2, nvmlDeviceGetComputeRunningProcesses_v3);

EXPORT int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned int *count, process_info *out)
{
    OPEN_ANY(handle);
    return list_processes(d, 1, count, out);
}
ALIAS(nvmlDeviceGetGraphicsRunningProcesses_v2, nvmlDeviceGetGraphicsRunningProcesses_v3);
