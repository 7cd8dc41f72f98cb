/* What every call of the stand-in goes through: it is counted, delayed, and failed where a fault says so. */
#define _GNU_SOURCE
#include "nvml_stand_in.h"

#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int initialised;
static char handles[MAX_DEVICES][1 + MAX_MIG]; /* a handle is the address of one: [device][0] or [device][1 + mig] */

void *stand_in_handle(int64_t device, int64_t mig)
{
    return &handles[device][1 + mig];
}

/* Return a handle's device, or -1 where it is none of ours. */
int stand_in_device_of(const void *handle)
{
    ptrdiff_t offset = (const char *)handle - &handles[0][0];
    int64_t devices = stand_in_block() == NULL ? 0 : stand_in_block()->device_count;
    return offset >= 0 && offset < devices * (1 + MAX_MIG) ? (int)(offset / (1 + MAX_MIG)) : -1;
}

/* Return a handle's MIG instance, or -1 for a whole device. */
int stand_in_mig_of(const void *handle)
{
    return (int)(((const char *)handle - &handles[0][0]) % (1 + MAX_MIG)) - 1;
}

static size_t bare_length(const char *function) /* without a version suffix: "_v2", "_v3" */
{
    size_t length = strlen(function);
    return length > 3 && function[length - 3] == '_' && function[length - 2] == 'v' ? length - 3 : length;
}

static int names(const char *wanted, const char *function)
{
    return wanted[0] == '\0' || (strlen(wanted) == bare_length(function) &&
                                 strncmp(wanted, function, bare_length(function)) == 0);
}

static int find_slot(struct block *block, const char *function)
{
    int slot = 0;
    while (__atomic_exchange_n(&block->function_lock, 1, __ATOMIC_ACQUIRE))
        sched_yield();
    while (slot < block->function_count && !names(block->functions[slot].function, function))
        slot++;
    if (slot == block->function_count && slot < MAX_FUNCTIONS) {
        memcpy(block->functions[slot].function, function, bare_length(function));
        block->function_count++;
    }
    __atomic_store_n(&block->function_lock, 0, __ATOMIC_RELEASE);
    return slot < MAX_FUNCTIONS ? slot : MAX_FUNCTIONS - 1;
}

/* Count a call in the block and return its number among the calls of this function and device, from 1. */
int64_t stand_in_count_call(int *slot, const char *function, int device)
{
    struct block *block = stand_in_block();
    int known = *slot >= 0 && block->functions[*slot].function[0] && names(block->functions[*slot].function, function);
    if (!known) /* the first call, or the first since another block was opened */
        *slot = find_slot(block, function);
    int64_t *calls = &block->functions[*slot].calls[device < 0 ? MAX_DEVICES : device];
    return __atomic_add_fetch(calls, 1, __ATOMIC_RELAXED);
}

static void delay(int64_t delay_ns)
{
    struct block *block = stand_in_block();
    struct timespec duration = {delay_ns / 1000000000, delay_ns % 1000000000};
    if (block->is_virtual)
        __atomic_add_fetch(&block->now_ns, delay_ns, __ATOMIC_SEQ_CST);
    else if (delay_ns > 0)
        nanosleep(&duration, NULL);
}

static uint64_t scramble(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static int strikes(const struct fault *fault, int64_t call_number)
{
    uint64_t drawn = scramble(scramble((uint64_t)fault->seed + UINT64_C(0x9e3779b97f4a7c15)) + (uint64_t)call_number);
    return (double)(drawn >> 11) / 9007199254740992.0 < fault->probability;
}

static int concerns(const struct fault *fault, int device, int64_t now_ns)
{
    return (fault->device < 0 || fault->device == device) && fault->from_ns <= now_ns && now_ns < fault->until_ns;
}

/* Delay a call where a fault says so, and return the error it is to fail with, or SUCCESS. */
int stand_in_apply_faults(const char *function, int device, int64_t call_number)
{
    struct block *block = stand_in_block();
    int error = SUCCESS;
    for (int64_t k = 0; k < block->fault_count; k++) {
        const struct fault *fault = &block->faults[k];
        int is_call = fault->kind == FAULT_ERROR || fault->kind == FAULT_SLOW;
        if (!is_call || !names(fault->function, function) || !concerns(fault, device, stand_in_now_ns()))
            continue;
        if (!strikes(fault, call_number))
            continue;
        if (fault->kind == FAULT_SLOW)
            delay(fault->delay_ns);
        else if (error == SUCCESS)
            error = (int)fault->code;
    }
    return error;
}

/* Return the latest begun fault of a kind on a device, or NULL. */
const struct fault *stand_in_fault(int64_t kind, int device, int64_t now_ns)
{
    struct block *block = stand_in_block();
    const struct fault *latest = NULL;
    for (int64_t k = 0; k < block->fault_count; k++) {
        const struct fault *fault = &block->faults[k];
        if (fault->kind == kind && concerns(fault, device, now_ns) &&
            (latest == NULL || fault->from_ns > latest->from_ns))
            latest = fault;
    }
    return latest;
}

/* Begin any function but the first: count it, take its time, and say whether it is to fail. */
int stand_in_enter(int *slot, const char *function, int device)
{
    struct block *block = stand_in_block();
    if (block == NULL || !initialised)
        return UNINITIALIZED;
    int64_t number = stand_in_count_call(slot, function, device);
    if (device >= 0)
        delay(block->call_ns);
    return stand_in_apply_faults(function, device, number);
}

/* Begin using the library: open the block that the environment names, where none is open. */
int stand_in_begin(void)
{
    static int slot = -1;
    if (stand_in_block() == NULL && getenv("ENERGYPROF_STAND_IN") != NULL)
        energyprof_stand_in_open(getenv("ENERGYPROF_STAND_IN"));
    HOLD();
    if (stand_in_block() == NULL)
        return DRIVER_NOT_LOADED;
    int failed = stand_in_apply_faults("nvmlInit", -1, stand_in_count_call(&slot, "nvmlInit", -1));
    initialised += failed == SUCCESS;
    return failed;
}

int stand_in_end(void)
{
    static int slot = -1;
    HOLD();
    int failed = stand_in_enter(&slot, "nvmlShutdown", -1);
    initialised -= failed == SUCCESS;
    return failed;
}

/* Another block is open: nobody has begun to use it yet. */
void stand_in_forget(void)
{
    initialised = 0;
}
