/*
 * openssl_table.h - every OpenSSL function, type and constant the SDK uses, so that no OpenSSL
 * header is needed to build it.
 *
 * All of it is the same in 1.1.1, 3.x and later. test_openssl_table compares it with the real
 * headers.
 */
#ifndef IK_OPENSSL_TABLE_H
#define IK_OPENSSL_TABLE_H

#include <stddef.h>
#include <time.h>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
typedef struct ssl_method_st SSL_METHOD;
typedef struct ssl_session_st SSL_SESSION;
typedef struct ssl_cipher_st SSL_CIPHER;
typedef struct x509_st X509;
typedef struct x509_store_st X509_STORE;
typedef struct x509_store_ctx_st X509_STORE_CTX;
typedef struct X509_VERIFY_PARAM_st X509_VERIFY_PARAM;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_st EVP_MD;
typedef struct evp_md_ctx_st EVP_MD_CTX;
typedef struct evp_pkey_ctx_st EVP_PKEY_CTX;
typedef struct engine_st ENGINE;
typedef struct bio_st BIO;
typedef struct bio_method_st BIO_METHOD;
typedef struct ossl_init_settings_st OPENSSL_INIT_SETTINGS;
typedef struct rsa_st RSA;
typedef struct rsa_meth_st RSA_METHOD;
typedef struct ec_key_st EC_KEY;
typedef struct ec_key_method_st EC_KEY_METHOD;
typedef struct ECDSA_SIG_st ECDSA_SIG;
typedef struct bignum_st BIGNUM;
typedef struct bignum_ctx BN_CTX;
typedef struct asn1_string_st ASN1_TIME;
typedef struct stack_st OPENSSL_STACK;
typedef struct stack_st_X509 X509_STACK; /* an OPENSSL_STACK of certificates */

typedef int ik_pem_password_fn(char *buf, int size, int writing, void *ctx);
typedef int ik_ssl_verify_fn(int preverify_ok, X509_STORE_CTX *ctx);
typedef int ik_ssl_session_fn(SSL *ssl, SSL_SESSION *session);
typedef int ik_ssl_certificate_fn(SSL *ssl, void *arg);
typedef void ik_ssl_message_fn(int is_ours, int version, int type, const void *data, size_t len,
                               SSL *ssl, void *arg);
typedef int ik_bio_read_fn(BIO *bio, char *buf, int len);
typedef int ik_bio_write_fn(BIO *bio, const char *data, int len);
typedef long ik_bio_ctrl_fn(BIO *bio, int command, long number, void *pointer);
typedef int ik_rsa_encrypt_fn(int len, const unsigned char *from, unsigned char *to, RSA *key,
                              int padding);
typedef int ik_rsa_sign_fn(int type, const unsigned char *digest, unsigned int len,
                           unsigned char *out, unsigned int *out_len, const RSA *key);
typedef int ik_ec_sign_fn(int type, const unsigned char *digest, int len, unsigned char *out,
                          unsigned int *out_len, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key);
typedef int ik_ec_setup_fn(EC_KEY *key, BN_CTX *ctx, BIGNUM **kinv, BIGNUM **r);
typedef ECDSA_SIG *ik_ec_sign_sig_fn(const unsigned char *digest, int len, const BIGNUM *kinv,
                                     const BIGNUM *r, EC_KEY *key);

/* clang-format off */

/* X(result, name, parameters): functions of libcrypto */
#define IK_LIBCRYPTO_MAP(X) \
  X(unsigned long, OpenSSL_version_num, (void)) \
  X(const char *, OpenSSL_version, (int type)) \
  X(int, OPENSSL_init_crypto, (uint64_t options, const OPENSSL_INIT_SETTINGS *settings)) \
  X(void, OPENSSL_thread_stop, (void)) \
  X(void, ERR_clear_error, (void)) \
  X(unsigned long, ERR_peek_error, (void)) \
  X(unsigned long, ERR_peek_last_error, (void)) \
  X(const char *, ERR_reason_error_string, (unsigned long error)) \
  X(int, ERR_set_mark, (void)) \
  X(int, ERR_pop_to_mark, (void)) \
  X(EVP_MD_CTX *, EVP_MD_CTX_new, (void)) \
  X(void, EVP_MD_CTX_free, (EVP_MD_CTX *ctx)) \
  X(int, EVP_MD_CTX_copy_ex, (EVP_MD_CTX *out, const EVP_MD_CTX *in)) \
  X(int, EVP_DigestInit_ex, (EVP_MD_CTX *ctx, const EVP_MD *type, ENGINE *engine)) \
  X(int, EVP_DigestUpdate, (EVP_MD_CTX *ctx, const void *data, size_t len)) \
  X(int, EVP_DigestFinal_ex, (EVP_MD_CTX *ctx, unsigned char *out, unsigned int *len)) \
  X(const EVP_MD *, EVP_md5, (void)) \
  X(const EVP_MD *, EVP_sha1, (void)) \
  X(const EVP_MD *, EVP_sha256, (void)) \
  X(unsigned char *, HMAC, (const EVP_MD *type, const void *key, int key_len, const unsigned char *data, size_t len, \
                            unsigned char *out, unsigned int *out_len)) \
  X(void, CRYPTO_free, (void *memory, const char *file, int line)) \
  X(void, EVP_PKEY_free, (EVP_PKEY *key)) \
  X(EVP_PKEY *, d2i_PUBKEY, (EVP_PKEY **out, const unsigned char **der, long len)) \
  X(int, EVP_DigestVerifyInit, (EVP_MD_CTX *ctx, EVP_PKEY_CTX **out, const EVP_MD *type, ENGINE *engine, \
                                EVP_PKEY *key)) \
  X(int, EVP_DigestVerify, (EVP_MD_CTX *ctx, const unsigned char *signature, size_t signature_len, \
                            const unsigned char *message, size_t len)) \
  X(EVP_PKEY_CTX *, EVP_PKEY_CTX_new, (EVP_PKEY *key, ENGINE *engine)) \
  X(void, EVP_PKEY_CTX_free, (EVP_PKEY_CTX *ctx)) \
  X(int, EVP_PKEY_CTX_ctrl_str, (EVP_PKEY_CTX *ctx, const char *name, const char *value)) \
  X(int, EVP_PKEY_verify_init, (EVP_PKEY_CTX *ctx)) \
  X(int, EVP_PKEY_verify, (EVP_PKEY_CTX *ctx, const unsigned char *signature, size_t signature_len, \
                           const unsigned char *digest, size_t len)) \
  X(BIO *, BIO_new, (const BIO_METHOD *method)) \
  X(BIO *, BIO_new_mem_buf, (const void *data, int len)) \
  X(int, BIO_free, (BIO *bio)) \
  X(int, BIO_get_new_index, (void)) \
  X(BIO_METHOD *, BIO_meth_new, (int type, const char *name)) \
  X(int, BIO_meth_set_read, (BIO_METHOD *method, ik_bio_read_fn *fn)) \
  X(int, BIO_meth_set_write, (BIO_METHOD *method, ik_bio_write_fn *fn)) \
  X(int, BIO_meth_set_ctrl, (BIO_METHOD *method, ik_bio_ctrl_fn *fn)) \
  X(void, BIO_set_data, (BIO *bio, void *data)) \
  X(void *, BIO_get_data, (BIO *bio)) \
  X(void, BIO_set_init, (BIO *bio, int init)) \
  X(void, BIO_set_flags, (BIO *bio, int flags)) \
  X(void, BIO_clear_flags, (BIO *bio, int flags)) \
  X(int, PEM_read_bio, (BIO *bio, char **name, char **header, unsigned char **data, long *len)) \
  X(X509 *, PEM_read_bio_X509, (BIO *bio, X509 **out, ik_pem_password_fn *fn, void *ctx)) \
  X(EVP_PKEY *, PEM_read_bio_PrivateKey, (BIO *bio, EVP_PKEY **out, ik_pem_password_fn *fn, void *ctx)) \
  X(void, X509_free, (X509 *cert)) \
  X(const ASN1_TIME *, X509_get0_notBefore, (const X509 *cert)) \
  X(const ASN1_TIME *, X509_get0_notAfter, (const X509 *cert)) \
  X(int, ASN1_TIME_diff, (int *days, int *seconds, const ASN1_TIME *from, const ASN1_TIME *to)) \
  X(int, OPENSSL_sk_num, (const OPENSSL_STACK *stack)) \
  X(void *, OPENSSL_sk_value, (const OPENSSL_STACK *stack, int i)) \
  X(int, X509_STORE_add_cert, (X509_STORE *store, X509 *cert)) \
  X(const char *, X509_get_default_cert_file, (void)) \
  X(const char *, X509_get_default_cert_dir, (void)) \
  X(const char *, X509_verify_cert_error_string, (long error)) \
  X(int, X509_VERIFY_PARAM_set1_host, (X509_VERIFY_PARAM *param, const char *name, size_t len)) \
  X(int, X509_VERIFY_PARAM_set1_ip, (X509_VERIFY_PARAM *param, const unsigned char *ip, size_t len)) \
  X(void, X509_VERIFY_PARAM_set_hostflags, (X509_VERIFY_PARAM *param, unsigned int flags)) \
  X(void, X509_VERIFY_PARAM_set_time, (X509_VERIFY_PARAM *param, time_t when))

/* and of libssl */
#define IK_LIBSSL_MAP(X) \
  X(const SSL_METHOD *, TLS_client_method, (void)) \
  X(SSL_CTX *, SSL_CTX_new, (const SSL_METHOD *method)) \
  X(void, SSL_CTX_free, (SSL_CTX *ctx)) \
  X(long, SSL_CTX_ctrl, (SSL_CTX *ctx, int command, long number, void *pointer)) \
  X(int, SSL_CTX_get_security_level, (const SSL_CTX *ctx)) \
  X(void, SSL_CTX_set_security_level, (SSL_CTX *ctx, int level)) \
  X(void, SSL_CTX_set_verify, (SSL_CTX *ctx, int mode, ik_ssl_verify_fn *fn)) \
  X(X509_STORE *, SSL_CTX_get_cert_store, (const SSL_CTX *ctx)) \
  X(int, SSL_CTX_load_verify_locations, (SSL_CTX *ctx, const char *file, const char *directory)) \
  X(int, SSL_CTX_use_certificate, (SSL_CTX *ctx, X509 *cert)) \
  X(int, SSL_CTX_use_PrivateKey, (SSL_CTX *ctx, EVP_PKEY *key)) \
  X(int, SSL_CTX_check_private_key, (const SSL_CTX *ctx)) \
  X(void, SSL_CTX_sess_set_new_cb, (SSL_CTX *ctx, ik_ssl_session_fn *fn)) \
  X(int, SSL_SESSION_get_protocol_version, (const SSL_SESSION *session)) \
  X(int, SSL_SESSION_is_resumable, (const SSL_SESSION *session)) \
  X(unsigned long, SSL_SESSION_get_ticket_lifetime_hint, (const SSL_SESSION *session)) \
  X(SSL_SESSION *, SSL_SESSION_dup, (const SSL_SESSION *session)) \
  X(void, SSL_SESSION_free, (SSL_SESSION *session)) \
  X(SSL *, SSL_new, (SSL_CTX *ctx)) \
  X(int, SSL_use_PrivateKey, (SSL *ssl, EVP_PKEY *key)) \
  X(void, SSL_free, (SSL *ssl)) \
  X(long, SSL_ctrl, (SSL *ssl, int command, long number, void *pointer)) \
  X(void, SSL_set_bio, (SSL *ssl, BIO *in, BIO *out)) \
  X(int, SSL_set_ex_data, (SSL *ssl, int index, void *data)) \
  X(void *, SSL_get_ex_data, (const SSL *ssl, int index)) \
  X(X509_VERIFY_PARAM *, SSL_get0_param, (SSL *ssl)) \
  X(int, SSL_set_session, (SSL *ssl, SSL_SESSION *session)) \
  X(void, SSL_set_connect_state, (SSL *ssl)) \
  X(void, SSL_set_cert_cb, (SSL *ssl, ik_ssl_certificate_fn *fn, void *arg)) \
  X(void, SSL_set_msg_callback, (SSL *ssl, ik_ssl_message_fn *fn)) \
  X(int, SSL_version, (const SSL *ssl)) \
  X(const SSL_CIPHER *, SSL_get_current_cipher, (const SSL *ssl)) \
  X(const EVP_MD *, SSL_CIPHER_get_handshake_digest, (const SSL_CIPHER *cipher)) \
  X(int, SSL_do_handshake, (SSL *ssl)) \
  X(int, SSL_read, (SSL *ssl, void *buf, int len)) \
  X(int, SSL_write, (SSL *ssl, const void *data, int len)) \
  X(int, SSL_has_pending, (const SSL *ssl)) \
  X(int, SSL_shutdown, (SSL *ssl)) \
  X(int, SSL_session_reused, (const SSL *ssl)) \
  X(int, SSL_get_error, (const SSL *ssl, int result)) \
  X(long, SSL_get_verify_result, (const SSL *ssl)) \
  X(X509_STACK *, SSL_get0_verified_chain, (const SSL *ssl))

/*
 * and those of libcrypto that only a key in hardware needs (tls_signer.c): a library without them (they
 * are deprecated since 3.0) is used all the same.
 */
#define IK_SIGNER_MAP(X) \
  X(const EVP_MD *, EVP_sha384, (void)) \
  X(const EVP_MD *, EVP_sha512, (void)) \
  X(EVP_PKEY *, X509_get_pubkey, (X509 *cert)) \
  X(EVP_PKEY *, EVP_PKEY_new, (void)) \
  X(RSA *, EVP_PKEY_get1_RSA, (EVP_PKEY *key)) \
  X(EC_KEY *, EVP_PKEY_get1_EC_KEY, (EVP_PKEY *key)) \
  X(int, EVP_PKEY_set1_RSA, (EVP_PKEY *key, RSA *rsa)) \
  X(int, EVP_PKEY_set1_EC_KEY, (EVP_PKEY *key, EC_KEY *ec)) \
  X(BIGNUM *, BN_dup, (const BIGNUM *number)) \
  X(void, BN_free, (BIGNUM *number)) \
  X(RSA *, RSA_new, (void)) \
  X(void, RSA_free, (RSA *key)) \
  X(int, RSA_size, (const RSA *key)) \
  X(void, RSA_get0_key, (const RSA *key, const BIGNUM **n, const BIGNUM **e, const BIGNUM **d)) \
  X(int, RSA_set0_key, (RSA *key, BIGNUM *n, BIGNUM *e, BIGNUM *d)) \
  X(int, RSA_set_method, (RSA *key, const RSA_METHOD *method)) \
  X(int, RSA_set_ex_data, (RSA *key, int index, void *data)) \
  X(void *, RSA_get_ex_data, (const RSA *key, int index)) \
  X(int, RSA_verify, (int type, const unsigned char *digest, unsigned int len, const unsigned char *signature, \
                      unsigned int signature_len, RSA *key)) \
  X(int, RSA_public_decrypt, (int len, const unsigned char *from, unsigned char *to, RSA *key, int padding)) \
  X(int, RSA_verify_PKCS1_PSS_mgf1, (RSA *key, const unsigned char *digest, const EVP_MD *type, \
                                     const EVP_MD *mask_type, const unsigned char *block, int salt_len)) \
  X(const RSA_METHOD *, RSA_PKCS1_OpenSSL, (void)) \
  X(RSA_METHOD *, RSA_meth_dup, (const RSA_METHOD *method)) \
  X(void, RSA_meth_free, (RSA_METHOD *method)) \
  X(int, RSA_meth_set_priv_enc, (RSA_METHOD *method, ik_rsa_encrypt_fn *fn)) \
  X(int, RSA_meth_set_sign, (RSA_METHOD *method, ik_rsa_sign_fn *fn)) \
  X(EC_KEY *, EC_KEY_dup, (const EC_KEY *key)) \
  X(void, EC_KEY_free, (EC_KEY *key)) \
  X(int, EC_KEY_set_method, (EC_KEY *key, const EC_KEY_METHOD *method)) \
  X(int, EC_KEY_set_ex_data, (EC_KEY *key, int index, void *data)) \
  X(void *, EC_KEY_get_ex_data, (const EC_KEY *key, int index)) \
  X(int, ECDSA_size, (const EC_KEY *key)) \
  X(int, ECDSA_verify, (int type, const unsigned char *digest, int len, const unsigned char *signature, \
                        int signature_len, EC_KEY *key)) \
  X(const EC_KEY_METHOD *, EC_KEY_OpenSSL, (void)) \
  X(EC_KEY_METHOD *, EC_KEY_METHOD_new, (const EC_KEY_METHOD *method)) \
  X(void, EC_KEY_METHOD_free, (EC_KEY_METHOD *method)) \
  X(void, EC_KEY_METHOD_set_sign, (EC_KEY_METHOD *method, ik_ec_sign_fn *sign, ik_ec_setup_fn *setup, \
                                   ik_ec_sign_sig_fn *sign_sig))

/* X(name, value): constants, each IK_ before OpenSSL's own name */
#define IK_OPENSSL_CONSTANTS(X) \
  X(OPENSSL_VERSION, 0) \
  X(OPENSSL_INIT_LOAD_CONFIG, 0x00000040) \
  X(OPENSSL_INIT_NO_ATEXIT, 0x00080000) \
  X(ERR_LIB_PEM, 9) \
  X(ERR_LIB_SSL, 20) \
  X(SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, 1042) \
  X(SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, 1043) \
  X(SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, 1044) \
  X(SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, 1045) \
  X(SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, 1046) \
  X(SSL_R_TLSV1_ALERT_UNKNOWN_CA, 1048) \
  X(SSL_R_TLSV1_ALERT_ACCESS_DENIED, 1049) \
  X(SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED, 1116) \
  X(PEM_R_NO_START_LINE, 108) \
  X(SSL_VERIFY_PEER, 1) \
  X(SSL_ERROR_SSL, 1) \
  X(SSL_ERROR_WANT_READ, 2) \
  X(SSL_ERROR_WANT_WRITE, 3) \
  X(SSL_ERROR_WANT_X509_LOOKUP, 4) \
  X(SSL_ERROR_ZERO_RETURN, 6) \
  X(SSL3_RT_HANDSHAKE, 22) \
  X(SSL3_MT_HELLO_REQUEST, 0) \
  X(SSL3_MT_SERVER_HELLO, 2) \
  X(SSL3_MT_MESSAGE_HASH, 254) \
  X(NID_sha256, 672) \
  X(NID_sha384, 673) \
  X(NID_sha512, 674) \
  X(RSA_PSS_SALTLEN_DIGEST, -1) \
  X(SSL_CTRL_EXTRA_CHAIN_CERT, 14) \
  X(SSL_CTRL_SET_MSG_CALLBACK_ARG, 16) \
  X(SSL_CTRL_MODE, 33) \
  X(SSL_CTRL_SET_SESS_CACHE_MODE, 44) \
  X(SSL_CTRL_SET_TLSEXT_HOSTNAME, 55) \
  X(SSL_CTRL_CLEAR_MODE, 78) \
  X(SSL_CTRL_SET_MIN_PROTO_VERSION, 123) \
  X(SSL_CTRL_GET_SIGNATURE_NID, 132) \
  X(SSL_MODE_ENABLE_PARTIAL_WRITE, 0x01) \
  X(SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER, 0x02) \
  X(SSL_MODE_AUTO_RETRY, 0x04) \
  X(SSL_MODE_RELEASE_BUFFERS, 0x10) \
  X(SSL_SESS_CACHE_CLIENT, 0x0001) \
  X(SSL_SESS_CACHE_NO_INTERNAL, 0x0300) \
  X(TLSEXT_NAMETYPE_host_name, 0) \
  X(TLS1_2_VERSION, 0x0303) \
  X(TLS1_3_VERSION, 0x0304) \
  X(RSA_NO_PADDING, 3) \
  X(BIO_TYPE_SOURCE_SINK, 0x0400) \
  X(BIO_FLAGS_READ, 0x01) \
  X(BIO_FLAGS_WRITE, 0x02) \
  X(BIO_FLAGS_RWS, 0x07) \
  X(BIO_FLAGS_SHOULD_RETRY, 0x08) \
  X(BIO_CTRL_EOF, 2) \
  X(BIO_CTRL_FLUSH, 11) \
  X(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, 0x4) \
  X(X509_V_OK, 0) \
  X(X509_V_ERR_CERT_NOT_YET_VALID, 9) \
  X(X509_V_ERR_CERT_HAS_EXPIRED, 10) \
  X(X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, 18) \
  X(X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, 19) \
  X(X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, 20) \
  X(X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, 21) \
  X(X509_V_ERR_HOSTNAME_MISMATCH, 62) \
  X(X509_V_ERR_IP_ADDRESS_MISMATCH, 64)
/* clang-format on */

enum ik_openssl_constant {
#define IK_OPENSSL_ENUM(name, value) IK_##name = value,
  IK_OPENSSL_CONSTANTS(IK_OPENSSL_ENUM)
#undef IK_OPENSSL_ENUM
      IK_OPENSSL_APP_DATA = 0 /* the index of ex_data that OpenSSL leaves to the application */
};

#endif
