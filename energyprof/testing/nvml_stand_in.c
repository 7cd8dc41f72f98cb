/* A stand-in for libnvidia-ml.so.1: the NVML functions that a profiler reads, over the shared block's devices.
 *
 * Signatures and struct layouts are NVML's public ABI, as the nvidia-ml-py binding declares it.
 */
#define _GNU_SOURCE
#include "nvml_stand_in.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

typedef struct {
    char legacy_id[16];
    unsigned int domain, bus, device, device_id, subsystem_id;
    char id[32];
} pci_info;

static int copy_text(char *out, unsigned int length, const char *text)
{
    if (strlen(text) >= length)
        return INSUFFICIENT_SIZE;
    strcpy(out, text);
    return SUCCESS;
}

/* ---- library and system ---- */

EXPORT int nvmlInitWithFlags(unsigned int flags)
{
    (void)flags;
    return stand_in_begin();
}

EXPORT int nvmlInit_v2(void) { return stand_in_begin(); }
ALIAS(nvmlInit, nvmlInit_v2);

EXPORT int nvmlShutdown(void) { return stand_in_end(); }

EXPORT const char *nvmlErrorString(int code)
{
    static const char *const words[] = {
        "Success", "Uninitialized", "Invalid Argument", "Not Supported", "Insufficient Permissions",
        "Already Initialized", "Not Found", "Insufficient Size", "Insufficient External Power",
        "Driver Not Loaded", "Timeout", "Interrupt Request Issue", "NVML Shared Library Not Found",
        "Function Not Found", "Corrupted infoROM", "GPU is lost", "GPU requires reset"};
    return code >= 0 && code < (int)(sizeof words / sizeof *words) ? words[code] : "Unknown Error";
}

EXPORT int nvmlSystemGetDriverVersion(char *out, unsigned int length)
{
    OPEN_SYSTEM();
    return copy_text(out, length, stand_in_block()->driver_version);
}

EXPORT int nvmlSystemGetNVMLVersion(char *out, unsigned int length)
{
    OPEN_SYSTEM();
    return copy_text(out, length, stand_in_block()->nvml_version);
}

EXPORT int nvmlSystemGetCudaDriverVersion_v2(int *out)
{
    OPEN_SYSTEM();
    *out = (int)stand_in_block()->cuda_version;
    return SUCCESS;
}
ALIAS(nvmlSystemGetCudaDriverVersion, nvmlSystemGetCudaDriverVersion_v2);

/* ---- handles ---- */

EXPORT int nvmlDeviceGetCount_v2(unsigned int *out)
{
    OPEN_SYSTEM();
    *out = (unsigned int)stand_in_block()->device_count;
    return SUCCESS;
}
ALIAS(nvmlDeviceGetCount, nvmlDeviceGetCount_v2);

EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned int wanted, void **out)
{
    static int slot = -1;
    HOLD();
    int known = stand_in_block() != NULL && wanted < stand_in_block()->device_count;
    int failed = stand_in_enter(&slot, __func__, known ? (int)wanted : -1);
    *out = known ? stand_in_handle(wanted, -1) : NULL;
    return failed != SUCCESS ? failed : known ? SUCCESS : INVALID_ARGUMENT;
}
ALIAS(nvmlDeviceGetHandleByIndex, nvmlDeviceGetHandleByIndex_v2);

EXPORT int nvmlDeviceGetHandleByUUID(const char *uuid, void **out)
{
    OPEN_SYSTEM();
    for (int64_t k = 0; k < stand_in_block()->device_count; k++) {
        struct device *d = &stand_in_block()->devices[k];
        *out = strcmp(uuid, d->uuid) == 0 ? stand_in_handle(k, -1) : NULL;
        for (int64_t mig = 0; *out == NULL && d->mig_mode && mig < d->mig_count; mig++)
            if (strcmp(uuid, d->mig_uuid[mig]) == 0)
                *out = stand_in_handle(k, mig);
        if (*out != NULL)
            return SUCCESS;
    }
    return NOT_FOUND;
}

EXPORT int nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, void **out)
{
    OPEN_SYSTEM();
    for (int64_t k = 0; k < stand_in_block()->device_count; k++)
        if (strcasecmp(bus_id, stand_in_block()->devices[k].bus_id) == 0) {
            *out = stand_in_handle(k, -1);
            return SUCCESS;
        }
    return NOT_FOUND;
}
ALIAS(nvmlDeviceGetHandleByPciBusId, nvmlDeviceGetHandleByPciBusId_v2);

EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned int wanted, void **out)
{
    OPEN(handle);
    if (!d->mig_mode || wanted >= d->mig_count)
        return d->mig_mode ? NOT_FOUND : NOT_SUPPORTED;
    *out = stand_in_handle(index, wanted);
    return SUCCESS;
}

EXPORT int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(void *handle, void **out)
{
    OPEN_ANY(handle);
    *out = stand_in_handle(index, -1);
    return stand_in_mig_of(handle) >= 0 ? SUCCESS : INVALID_ARGUMENT;
}

EXPORT int nvmlDeviceIsMigDeviceHandle(void *handle, unsigned int *out)
{
    OPEN_ANY(handle);
    *out = stand_in_mig_of(handle) >= 0;
    return SUCCESS;
}

/* ---- what a device is ---- */

EXPORT int nvmlDeviceGetName(void *handle, char *out, unsigned int length)
{
    OPEN_ANY(handle);
    return copy_text(out, length, d->name);
}

EXPORT int nvmlDeviceGetUUID(void *handle, char *out, unsigned int length)
{
    OPEN_ANY(handle);
    return copy_text(out, length, stand_in_mig_of(handle) >= 0 ? d->mig_uuid[stand_in_mig_of(handle)] : d->uuid);
}

EXPORT int nvmlDeviceGetSerial(void *handle, char *out, unsigned int length)
{
    OPEN(handle);
    return d->serial[0] ? copy_text(out, length, d->serial) : NOT_SUPPORTED;
}

EXPORT int nvmlDeviceGetPciInfo_v3(void *handle, pci_info *out)
{
    OPEN(handle);
    memset(out, 0, sizeof *out);
    sscanf(d->bus_id, "%x:%x:%x", &out->domain, &out->bus, &out->device);
    snprintf(out->id, sizeof out->id, "%.31s", d->bus_id);
    snprintf(out->legacy_id, sizeof out->legacy_id, "%04X:%02X:%02X.0", out->domain & 0xffff, out->bus & 0xff,
             out->device & 0xff);
    out->device_id = 0x10de;
    return SUCCESS;
}
ALIAS(nvmlDeviceGetPciInfo_v2, nvmlDeviceGetPciInfo_v3);
ALIAS(nvmlDeviceGetPciInfo, nvmlDeviceGetPciInfo_v3);

EXPORT int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor)
{
    OPEN(handle);
    *major = (int)d->capability_major;
    *minor = (int)d->capability_minor;
    return SUCCESS;
}

GETTER(nvmlDeviceGetIndex, unsigned int, index)
GETTER(nvmlDeviceGetMinorNumber, unsigned int, index)
GETTER(nvmlDeviceGetArchitecture, unsigned int, d->architecture)
GETTER(nvmlDeviceGetBrand, unsigned int, d->brand)
GETTER(nvmlDeviceGetPersistenceMode, unsigned int, d->persistence)
GETTER(nvmlDeviceGetComputeMode, unsigned int, d->compute_mode)
GETTER(nvmlDeviceGetPowerManagementMode, unsigned int, 1)
GETTER(nvmlDeviceGetEnforcedPowerLimit, unsigned int, d->limit_mw)
GETTER(nvmlDeviceGetPowerManagementLimit, unsigned int, d->limit_mw)
GETTER(nvmlDeviceGetPowerManagementDefaultLimit, unsigned int, d->default_limit_mw)
GETTER(nvmlDeviceGetMaxMigDeviceCount, unsigned int, d->mig_mode ? MAX_MIG : 0)

EXPORT int nvmlDeviceGetPowerManagementLimitConstraints(void *handle, unsigned int *low, unsigned int *high)
{
    OPEN(handle);
    *low = (unsigned int)d->minimum_limit_mw;
    *high = (unsigned int)d->maximum_limit_mw;
    return SUCCESS;
}

EXPORT int nvmlDeviceGetMigMode(void *handle, unsigned int *current, unsigned int *pending)
{
    OPEN(handle);
    *current = (unsigned int)d->mig_mode;
    *pending = (unsigned int)d->mig_pending;
    return d->mig_mode < 0 ? NOT_SUPPORTED : SUCCESS;
}

EXPORT int nvmlDeviceGetC2cModeInfoV(void *handle, unsigned int *info) /* {version, isC2cEnabled} */
{
    OPEN(handle);
    (void)info;
    return NOT_SUPPORTED;
}
