/*
 * A PKCS#11 module that does what SoftHSM does not: it counts wrong PINs, locks the PIN after three of them,
 * and loses its token. Everything else is SoftHSM's, whose module it loads. For tests alone.
 *
 * STRICT_MODULE   SoftHSM's module
 * STRICT_DIR      where it keeps `tries` (PINs that are left), and writes `logins`, a line for each login
 * STRICT_MODE     `quiet`: the token's flags say nothing of its PIN, as with some tokens
 *                 `removed`: the token is gone once a signature is begun
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long rv;
typedef rv (*function)(void);
typedef rv (*get_token_info)(unsigned long slot, unsigned char *info);
typedef rv (*login)(unsigned long session, unsigned long user, char *pin, unsigned long length);

/* CK_FUNCTION_LIST of PKCS#11 2.40: a version, and 68 functions in the standard's order. */
struct list {
    unsigned char version[2];
    function functions[68];
};
enum { GET_FUNCTION_LIST = 3, GET_TOKEN_INFO = 6, LOGIN = 18, SIGN = 43 };

/* CK_TOKEN_INFO.flags, behind label, manufacturer, model and serial number. */
enum { FLAGS = 32 + 32 + 16 + 16 };
enum { COUNT_LOW = 0x10000, FINAL_TRY = 0x20000, LOCKED = 0x40000 };
enum { OK = 0, GENERAL_ERROR = 5, DEVICE_REMOVED = 0x32, PIN_INCORRECT = 0xa0, PIN_LOCKED = 0xa4 };
enum { TRIES = 3 };

static struct list *softhsm;
static struct list ours;

static int mode(const char *word) {
    const char *mode = getenv("STRICT_MODE");
    return mode && !strcmp(mode, word);
}

static FILE *file(const char *name, const char *how) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("STRICT_DIR"), name);
    return fopen(path, how);
}

static int tries(void) {
    int left = TRIES;
    FILE *from = file("tries", "r");
    if (from) {
        if (fscanf(from, "%d", &left) != 1) left = 0;
        fclose(from);
    }
    return left;
}

static void leave(int left) {
    FILE *to = file("tries", "w");
    if (to) {
        fprintf(to, "%d\n", left);
        fclose(to);
    }
}

static rv strict_token_info(unsigned long slot, unsigned char *info) {
    rv result = ((get_token_info)softhsm->functions[GET_TOKEN_INFO])(slot, info);
    unsigned long flags;
    if (result != OK || mode("quiet")) return result;
    memcpy(&flags, info + FLAGS, sizeof flags);
    if (tries() < TRIES) flags |= COUNT_LOW;
    if (tries() == 1) flags |= FINAL_TRY;
    if (tries() == 0) flags |= LOCKED;
    memcpy(info + FLAGS, &flags, sizeof flags);
    return OK;
}

static rv strict_login(unsigned long session, unsigned long user, char *pin, unsigned long length) {
    int left = tries();
    rv result;
    FILE *log = file("logins", "a");
    if (!log) return GENERAL_ERROR;
    fputs("login\n", log);
    fclose(log);
    if (left == 0) return PIN_LOCKED;
    result = ((login)softhsm->functions[LOGIN])(session, user, pin, length);
    leave(result == PIN_INCORRECT ? left - 1 : TRIES);
    return result == PIN_INCORRECT && left == 1 ? PIN_LOCKED : result;
}

static rv strict_sign(void) {
    return DEVICE_REMOVED;
}

rv C_GetFunctionList(struct list **list) {
    const char *name = getenv("STRICT_MODULE");
    void *module = name ? dlopen(name, RTLD_NOW | RTLD_LOCAL) : NULL;
    rv (*get)(struct list **) = module ? (rv(*)(struct list **))dlsym(module, "C_GetFunctionList") : NULL;
    if (!get || get(&softhsm) != OK) return GENERAL_ERROR;
    ours = *softhsm;
    ours.functions[GET_FUNCTION_LIST] = (function)C_GetFunctionList;
    ours.functions[GET_TOKEN_INFO] = (function)strict_token_info;
    ours.functions[LOGIN] = (function)strict_login;
    if (mode("removed")) ours.functions[SIGN] = strict_sign;
    *list = &ours;
    return OK;
}
