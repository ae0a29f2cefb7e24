/*
 * A PKCS#11 module that is SoftHSM until it is told otherwise: the file named by KEYHOLD_TEST_HSM_FAULT says what
 * happens to the next logins. What HSMs do when they fail cannot be had from SoftHSM itself.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CK_PTR *
#define CK_DECLARE_FUNCTION(type, name) type name
#define CK_DECLARE_FUNCTION_POINTER(type, name) type(*name)
#define CK_CALLBACK_FUNCTION(type, name) type(*name)
#ifndef NULL_PTR
#define NULL_PTR 0
#endif
#include <pkcs11/pkcs11.h>

static CK_FUNCTION_LIST list;
static CK_FUNCTION_LIST_PTR real;

static int told(const char *fault) {
  char text[32] = "";
  const char *path = getenv("KEYHOLD_TEST_HSM_FAULT");
  FILE *file = path == NULL ? NULL : fopen(path, "r");
  if (file == NULL) return 0;
  if (fgets(text, sizeof text, file) == NULL) text[0] = 0;
  fclose(file);
  return strcmp(text, fault) == 0;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  if (told("locked")) return CKR_PIN_LOCKED;
  if (told("gone")) return CKR_DEVICE_REMOVED;
  if (told("crashes")) abort();
  while (told("hangs")) pause();
  return real->C_Login(session, user, pin, length);
}

static CK_RV token_info(CK_SLOT_ID slot, CK_TOKEN_INFO_PTR info) {
  CK_RV result = real->C_GetTokenInfo(slot, info);
  if (told("flagged")) info->flags |= CKF_USER_PIN_LOCKED;
  if (told("last-try")) info->flags |= CKF_USER_PIN_FINAL_TRY;
  /* SoftHSM always has a slot whose token nobody initialised. */
  if (told("other-broken") && (info->flags & CKF_TOKEN_INITIALIZED) == 0) return CKR_DEVICE_ERROR;
  if (told("all-broken")) return CKR_DEVICE_ERROR;
  return result;
}

/* Encrypts, and then is not the one that it was. */
static CK_RV decrypt_init(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  if (told("lost-before-decrypting")) return CKR_DEVICE_REMOVED;
  return real->C_DecryptInit(session, mechanism, key);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR out) {
  void *library = dlopen(REAL_MODULE, RTLD_NOW | RTLD_LOCAL);
  CK_RV (*get)(CK_FUNCTION_LIST_PTR_PTR) = library == NULL ? NULL : dlsym(library, "C_GetFunctionList");
  if (get == NULL || get(&real) != CKR_OK) return CKR_GENERAL_ERROR;
  list = *real;
  list.C_Login = login;
  list.C_GetTokenInfo = token_info;
  list.C_DecryptInit = decrypt_init;
  *out = &list;
  return CKR_OK;
}
