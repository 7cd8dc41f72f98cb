/* What the stand-in's devices truly draw, and what their sensors make of it. */
#define _GNU_SOURCE
#include "nvml_stand_in.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

typedef __int128 picojoules;

static struct block *mapped;
static pthread_rwlock_t mapping = PTHREAD_RWLOCK_INITIALIZER; /* read by calls, written by open */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;       /* over the sums below */

/* The sum of a counter that only sees its windows, so far: it is too long to add up anew on every call. */
static struct windowed_sum { int64_t sequence, from_ns, edge; double mj; } windowed[MAX_DEVICES];

/* Map the block at a path; NULL unmaps. Returns 0, or -1 where the file is not a block of this version. */
int energyprof_stand_in_open(const char *path)
{
    struct block *fresh = NULL;
    if (path != NULL) {
        int file = open(path, O_RDWR | O_CLOEXEC);
        struct stat status;
        if (file < 0)
            return -1;
        if (fstat(file, &status) == 0 && (uint64_t)status.st_size >= sizeof *fresh)
            fresh = mmap(NULL, sizeof *fresh, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        close(file);
        if (fresh == NULL || fresh == MAP_FAILED)
            return -1;
        if (fresh->magic != BLOCK_MAGIC || fresh->bytes != (int64_t)sizeof *fresh) {
            munmap(fresh, sizeof *fresh);
            return -1;
        }
    }
    pthread_rwlock_wrlock(&mapping);
    if (mapped != NULL)
        munmap(mapped, sizeof *mapped);
    mapped = fresh;
    memset(windowed, 0, sizeof windowed);
    stand_in_forget();
    pthread_rwlock_unlock(&mapping);
    return 0;
}

int64_t energyprof_stand_in_block_bytes(void)
{
    return (int64_t)sizeof(struct block);
}

struct block *stand_in_block(void)
{
    return mapped;
}

int stand_in_hold(void)
{
    return pthread_rwlock_rdlock(&mapping);
}

void stand_in_release(int *held)
{
    if (*held == 0)
        pthread_rwlock_unlock(&mapping);
}

int64_t stand_in_now_ns(void)
{
    struct timespec now;
    if (mapped->is_virtual)
        return __atomic_load_n(&mapped->now_ns, __ATOMIC_SEQ_CST);
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t stand_in_wall_us(int64_t time_ns)
{
    return (time_ns + mapped->wall_offset_ns) / 1000;
}

/* ---- true energy ---- */

static picojoules energy_unlocked(const struct schedule *schedule, const struct segment *segments, int64_t time_ns)
{
    int64_t count = schedule->count, first = schedule->repeat_from, low = 0, high = count;
    picojoules turns = 0;
    if (count == 0 || time_ns < segments[0].start_ns)
        return (picojoules)schedule->before_mw * (time_ns - (count ? segments[0].start_ns : 0));
    if (first >= 0 && time_ns >= schedule->end_ns) {
        int64_t period_ns = schedule->end_ns - segments[first].start_ns;
        int64_t since_ns = time_ns - segments[first].start_ns;
        picojoules period = segments[count - 1].cumulative_pj - segments[first].cumulative_pj +
            (picojoules)segments[count - 1].power_mw * (schedule->end_ns - segments[count - 1].start_ns);
        turns = period * (since_ns / period_ns);
        time_ns = segments[first].start_ns + since_ns % period_ns;
    }
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2;
        if (segments[middle].start_ns <= time_ns)
            low = middle;
        else
            high = middle;
    }
    return turns + segments[low].cumulative_pj +
        (picojoules)segments[low].power_mw * (time_ns - segments[low].start_ns);
}

/* Energy from a fixed origin to a time; Python may be writing the schedule, so read until it was left alone. */
static picojoules energy(const struct device *device, int64_t time_ns)
{
    const struct schedule *schedule = &device->schedule;
    const struct segment *segments = mapped->segments[device - mapped->devices];
    for (;;) {
        int64_t before = __atomic_load_n(&schedule->sequence, __ATOMIC_ACQUIRE);
        picojoules found = energy_unlocked(schedule, segments, time_ns);
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before % 2 == 0 && before == __atomic_load_n(&schedule->sequence, __ATOMIC_RELAXED))
            return found;
    }
}

static double mean_mw(const struct device *device, int64_t from_ns, int64_t to_ns)
{
    return (double)(energy(device, to_ns) - energy(device, from_ns)) / (double)(to_ns - from_ns);
}

/* ---- refresh edges and noise ---- */

static uint64_t scramble(uint64_t x) /* splitmix64 */
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static double uniform(int64_t seed, int64_t index) /* [0, 1) */
{
    return (double)(scramble(scramble((uint64_t)seed) ^ (uint64_t)index) >> 11) / 9007199254740992.0;
}

static double normal(int64_t seed, int64_t index) /* the sum of 12 uniforms: no libm, the same everywhere */
{
    double sum = -6.0;
    for (int k = 0; k < 12; k++)
        sum += uniform(seed, index * 12 + k);
    return sum;
}

static int64_t floor_divide(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t edge_ns(const struct sensor *sensor, int64_t period_ns, int64_t phase_ns, int64_t index)
{
    int64_t jitter_ns = 0;
    if (sensor->jitter_ns > 0)
        jitter_ns = (int64_t)((2.0 * uniform(sensor->seed ^ 0x6a69, index) - 1.0) * (double)sensor->jitter_ns);
    return phase_ns + index * period_ns + jitter_ns;
}

static int64_t edge_index(const struct sensor *sensor, int64_t period_ns, int64_t phase_ns, int64_t now_ns)
{
    int64_t index = floor_divide(now_ns - phase_ns, period_ns) + 1; /* jitter is under half a period */
    while (edge_ns(sensor, period_ns, phase_ns, index) > now_ns)
        index--;
    return index;
}

int64_t stand_in_power_edge_ns(const struct device *device, int64_t now_ns)
{
    const struct sensor *s = &device->sensor;
    return edge_ns(s, s->refresh_ns, s->phase_ns, edge_index(s, s->refresh_ns, s->phase_ns, now_ns));
}

int64_t stand_in_counter_edge_ns(const struct device *device, int64_t now_ns)
{
    const struct sensor *s = &device->sensor;
    return edge_ns(s, s->counter_ns, s->counter_phase_ns,
                   edge_index(s, s->counter_ns, s->counter_phase_ns, now_ns));
}

/* ---- readings ---- */

static int64_t reading_mw(const struct device *device, int64_t edge, int64_t window_ns, int64_t stream)
{
    const struct sensor *s = &device->sensor;
    int64_t end_ns = edge - s->lag_ns;
    double power = mean_mw(device, end_ns - window_ns, end_ns) * s->gain + s->offset_mw;
    if (s->noise_mw > 0)
        power += s->noise_mw * normal(s->seed + stream, edge / 1000);
    return power <= 0 ? 0 : (int64_t)(power + 0.5);
}

int64_t stand_in_instant_mw(const struct device *device, int64_t edge)
{
    return reading_mw(device, edge, device->sensor.window_ns, 1);
}

int64_t stand_in_average_mw(const struct device *device, int64_t edge)
{
    return reading_mw(device, edge, device->sensor.average_ns, 2);
}

int64_t stand_in_scope_mw(const struct device *device, int64_t power_mw, int64_t scope)
{
    return scope == 1 ? power_mw + device->module_extra_mw
         : scope == 2 ? power_mw * device->memory_permille / 1000 : power_mw;
}

static double windowed_mj(const struct device *device, int64_t from_ns, int64_t to_ns)
{
    const struct sensor *s = &device->sensor;
    struct windowed_sum *sum = &windowed[device - mapped->devices];
    int64_t last = edge_index(s, s->counter_ns, s->counter_phase_ns, to_ns);
    pthread_mutex_lock(&lock);
    if (sum->sequence != device->schedule.sequence || sum->from_ns != from_ns || sum->edge > last || !sum->edge) {
        int64_t first = edge_index(s, s->counter_ns, s->counter_phase_ns, from_ns);
        *sum = (struct windowed_sum){device->schedule.sequence, from_ns, first, 0.0};
    }
    for (; sum->edge < last; sum->edge++) {
        int64_t previous = edge_ns(s, s->counter_ns, s->counter_phase_ns, sum->edge);
        int64_t edge = edge_ns(s, s->counter_ns, s->counter_phase_ns, sum->edge + 1);
        sum->mj += mean_mw(device, edge - s->window_ns, edge) * (double)(edge - previous) / 1e9;
    }
    double found_mj = sum->mj;
    pthread_mutex_unlock(&lock);
    return found_mj;
}

/* The counter at a time: what it had summed up at its last edge, since boot or since its last reset. */
int64_t stand_in_counter_mj(const struct device *device, int64_t now_ns)
{
    const struct sensor *s = &device->sensor;
    int index = (int)(device - mapped->devices);
    const struct fault *frozen = stand_in_fault(FAULT_COUNTER_FROZEN, index, now_ns);
    int64_t at_ns = frozen != NULL ? frozen->from_ns : now_ns;
    const struct fault *reset = stand_in_fault(FAULT_COUNTER_RESET, index, at_ns);
    int64_t from_ns = reset != NULL ? reset->from_ns : mapped->boot_ns;
    int64_t edge = stand_in_counter_edge_ns(device, at_ns);
    int64_t base_mj = reset != NULL ? 0 : s->counter_base_mj, gained_mj;
    if (edge <= from_ns)
        return base_mj;
    if (s->counter_windowed)
        gained_mj = (int64_t)(windowed_mj(device, from_ns, edge) * s->counter_gain);
    else if (s->counter_gain == 1.0)
        gained_mj = (int64_t)((energy(device, edge) - energy(device, from_ns)) / 1000000000);
    else
        gained_mj = (int64_t)((double)(energy(device, edge) - energy(device, from_ns)) / 1e9 * s->counter_gain);
    return base_mj + gained_mj / s->counter_unit_mj * s->counter_unit_mj;
}
