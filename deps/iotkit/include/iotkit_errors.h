/**
 * @file
 * iotkit_errors.h - every error of the SDK, in one table.
 *
 * X(NAME, value, retryable, sentence) makes the C constant IK_E<NAME>, the string code ERR_<NAME>
 * that TypeScript users see, and the sentence of iotkit_strerror(). Values are part of the ABI:
 * never renumber, only append. `retryable` is 1 where the same call may succeed later without
 * anything being changed by the caller. The published IOT_OTA_* and IOT_MQTT_* functions return the
 * published numbers instead (see iot_export_*.h); the ranges do not overlap, because these start at
 * -1000.
 */
#ifndef IOTKIT_ERRORS_H
#define IOTKIT_ERRORS_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The table: one X(NAME, value, retryable, sentence) for each error, for who needs a list of them.
 */
/* clang-format off */
#define IOTKIT_ERROR_MAP(X) \
  /* arguments and use */ \
  X(INVALID_ARGUMENT,      -1001, 0, "an argument is missing, of the wrong kind or out of range") \
  X(TOO_LONG,              -1002, 0, "a string or buffer is longer than its limit") \
  X(INVALID_STATE,         -1003, 0, "the call is not possible in this state") \
  X(CLOSED,                -1004, 0, "the object is closed") \
  X(BUSY,                  -1005, 1, "another call of this kind is running on the object") \
  X(IN_CALLBACK,           -1006, 0, "the call is not allowed from inside a callback of the same object") \
  X(ABORTED,               -1007, 0, "the operation was cancelled") \
  X(INTERRUPTED,           -1008, 1, "the wait was interrupted") \
  X(TIMEOUT,               -1009, 1, "the operation did not finish in time") \
  X(AGAIN,                 -1010, 1, "nothing can be done right now") \
  X(NO_MEMORY,             -1011, 1, "out of memory") \
  X(QUEUE_FULL,            -1012, 1, "the queue is full") \
  X(UNSUPPORTED,           -1013, 0, "not supported") \
  X(INTERNAL,              -1014, 0, "internal error") \
  X(THREAD,                -1015, 1, "a thread could not be started") \
  /* network */ \
  X(RESOLVE,               -1101, 1, "the host name could not be resolved") \
  X(CONNECT,               -1102, 1, "the connection could not be established") \
  X(CONNECTION_RESET,      -1103, 1, "the connection was reset by the peer") \
  X(CONNECTION_CLOSED,     -1104, 1, "the peer closed the connection") \
  X(NETWORK,               -1105, 1, "network error") \
  X(CONNECT_TIMEOUT,       -1106, 1, "the connection was not established in time") \
  X(IDLE_TIMEOUT,          -1107, 1, "no data arrived in time") \
  X(NOT_CONNECTED,         -1108, 1, "not connected") \
  X(TOO_SLOW,              -1109, 1, "the transfer is slower than the limit") \
  /* TLS */ \
  X(TLS_UNAVAILABLE,       -1201, 0, "no usable OpenSSL was found in the process or on the system") \
  X(TLS,                   -1202, 1, "TLS error") \
  X(TLS_CERTIFICATE,       -1203, 0, "the certificate of the server is not trusted") \
  X(TLS_HOSTNAME,          -1204, 0, "the certificate of the server is for another host name") \
  X(TLS_EXPIRED,           -1205, 0, "the certificate of the server is expired") \
  X(TLS_CA,                -1206, 0, "the CA certificates could not be read") \
  X(TLS_IDENTITY,          -1207, 0, "the client certificate or its key could not be used") \
  X(TLS_REQUIRED,          -1208, 0, "the policy requires TLS") \
  X(CRYPTO,                -1209, 0, "a cryptographic operation failed") \
  X(TLS_NOT_YET_VALID,     -1210, 1, "the certificate of the server is not yet valid by this device's clock") \
  X(TLS_CLIENT_CERTIFICATE,-1211, 0, "the server refuses the certificate of this device, or wants one") \
  X(TLS_CLIENT_EXPIRED,    -1212, 0, "the server says that the certificate of this device is expired") \
  X(TLS_CLIENT_REVOKED,    -1213, 0, "the server says that the certificate of this device is revoked") \
  X(TLS_SIGNING,           -1214, 1, "the callback that signs for the client certificate's key failed") \
  /* MQTT */ \
  X(MQTT_PROTOCOL,         -1301, 1, "the broker violated the MQTT protocol") \
  X(MQTT_PACKET_TOO_LARGE, -1302, 0, "the MQTT packet is larger than the limit") \
  X(MQTT_VERSION,          -1303, 0, "the broker refuses this version of MQTT") \
  X(MQTT_CLIENT_ID,        -1304, 0, "the broker refuses the client identifier") \
  X(MQTT_UNAVAILABLE,      -1305, 1, "the broker is unavailable") \
  X(MQTT_CREDENTIALS,      -1306, 0, "the broker refuses the user name or password") \
  X(MQTT_NOT_AUTHORIZED,   -1307, 0, "the broker does not authorise this client") \
  X(MQTT_REFUSED,          -1308, 1, "the broker refuses the connection with an unknown code") \
  X(MQTT_SUBSCRIBE,        -1309, 0, "the broker refuses the subscription") \
  X(MQTT_TOPIC,            -1310, 0, "the topic name or filter is not valid") \
  X(MQTT_KEEP_ALIVE,       -1311, 1, "the broker did not answer a ping in time") \
  X(MQTT_IN_USE,           -1312, 0, "another client of this process has the same identity at this broker") \
  /* HTTP */ \
  X(URL,                   -1401, 0, "the URL is not valid") \
  X(URL_SCHEME,            -1402, 0, "the URL is neither http nor https") \
  X(HTTP_PROTOCOL,         -1403, 1, "the server violated HTTP") \
  X(HTTP_HEAD_TOO_LARGE,   -1404, 0, "the response head is larger than the limit") \
  X(HTTP_STATUS,           -1405, 0, "the server answered with an error status") \
  X(HTTP_UNAVAILABLE,      -1406, 1, "the server answered with a temporary error status") \
  X(HTTP_REDIRECTS,        -1407, 0, "too many redirects") \
  X(HTTP_INSECURE_REDIRECT,-1408, 0, "a redirect from https to http was refused") \
  X(HTTP_RANGE,            -1409, 1, "the server answered the range request with another range") \
  X(HTTP_ENCODING,         -1410, 0, "the server applied a transfer coding that is not supported") \
  X(URL_EXPIRED,           -1411, 0, "the signed URL is expired or refused") \
  X(HOST_NOT_ALLOWED,      -1412, 0, "the policy does not allow this host") \
  X(PROXY,                 -1413, 1, "the proxy could not open the connection") \
  X(PROXY_REFUSED,         -1414, 0, "the proxy refuses the request or its credentials") \
  /* firmware */ \
  X(NOTICE_JSON,           -1501, 0, "the message is not valid JSON") \
  X(NOTICE_FIELD,          -1502, 0, "a field of the upgrade notice is missing or not valid") \
  X(NOTICE_CODE,           -1503, 0, "the platform answered with an error code") \
  X(SIZE_MISMATCH,         -1504, 0, "the size of the image is not the announced one") \
  X(DIGEST_MISMATCH,       -1505, 0, "the digest of the image is not the announced one") \
  X(SIGNATURE,             -1506, 0, "the signature of the image is not valid") \
  X(DIGEST_METHOD,         -1507, 0, "the digest method is not known") \
  X(TRUNCATED,             -1508, 1, "the body ended before the announced size") \
  X(CHANGED,               -1509, 0, "the image on the server changed during the download") \
  X(VERSION_REFUSED,       -1510, 0, "the rules of this device refuse the version") \
  X(SIGNATURE_MISSING,     -1511, 0, "the policy requires a signature and the notice has none") \
  X(PUBLIC_KEY,            -1512, 0, "the public keys could not be read") \
  X(BLOCK,                 -1513, 1, "a block of the image was refused or arrived damaged") \
  /* answers of the platform */ \
  X(PLATFORM_PARAMETERS,   -1551, 0, "the platform says that the parameters of the request are wrong") \
  X(PLATFORM_UNAVAILABLE,  -1552, 1, "the platform could not answer the request now") \
  X(CONFIG_DISABLED,       -1553, 0, "remote configuration is switched off for the product") \
  X(CONFIG_CONTENT,        -1554, 0, "the content of the configuration is not what was asked for") \
  /* files */ \
  X(FILE,                  -1601, 0, "the file could not be written or read") \
  X(NO_SPACE,              -1602, 0, "not enough free space") \
  X(FILE_ACCESS,           -1603, 0, "permission to the file or directory is denied") \
  X(FILE_NOT_FOUND,        -1604, 0, "the file or its directory does not exist") \
  X(FILE_LOCKED,           -1605, 1, "another process or download is writing the same file") \
  /* identity */ \
  X(REGISTER_REFUSED,      -1701, 0, "the platform refuses to register the device") \
  X(REGISTER_ACTIVATED,    -1702, 0, "the device is activated already, so the platform registers it no more") \
  X(REGISTER_NO_ANSWER,    -1703, 1, "the platform accepted the registration but sent no credentials") \
  X(REGISTER_ANSWER,       -1704, 0, "the answer to the registration is not valid") \
  X(CREDENTIALS_DAMAGED,   -1705, 0, "the credentials file is damaged") \
  X(CREDENTIALS_EXPOSED,   -1706, 0, "the credentials file is not the program's own and private file") \
  X(CREDENTIALS_OTHER,     -1707, 0, "the credentials file belongs to another device") \
  /* gateways */ \
  X(GATEWAY_REFUSED,       -1801, 0, "the platform refuses what the gateway asked for") \
  X(GATEWAY_THROTTLED,     -1802, 1, "the platform asks the gateway to slow down or to try again later") \
  X(SUBDEVICE_SIGN,        -1803, 0, "the platform refuses the sub-device's signature") \
  X(SUBDEVICE_UNKNOWN,     -1804, 0, "the platform does not know the sub-device, or it was deleted") \
  X(SUBDEVICE_DISABLED,    -1805, 0, "the sub-device is disabled") \
  X(SUBDEVICE_NOT_OURS,    -1806, 0, "the platform has no topological relation of the gateway with the sub-device") \
  X(SUBDEVICE_BOUND,       -1807, 0, "the sub-device belongs to another gateway") \
  X(SUBDEVICE_LIMIT,       -1808, 0, "the gateway has as many sub-devices as it may have") \
  X(SUBDEVICE_KICKED,      -1809, 0, "the same sub-device has logged in elsewhere") \
  /* installation */ \
  X(INSTALL_UNAVAILABLE,   -1901, 0, "the installer is not there") \
  X(INSTALL_SETUP,         -1902, 0, "the installer is set up in a way that allows no update") \
  X(INSTALL_BUSY,          -1903, 1, "another installation is running") \
  X(INSTALL_REFUSED,       -1904, 0, "the installer refuses the image") \
  X(INSTALL_FAILED,        -1905, 0, "the image could not be installed") \
  X(INSTALL_TIMEOUT,       -1906, 1, "the installer did not end in time") \
  X(BOOT_STATE,            -1907, 0, "the boot environment could not be read or written") \
  X(INSTALL_RECORD,        -1908, 0, "the record of the installation is damaged") \
  X(HEALTH,                -1909, 0, "the new version is not healthy") \
  X(ROLLED_BACK,           -1910, 0, "the machine runs the version from before the update") \
  X(HOOK,                  -1911, 0, "a hook refused the update or failed") \
  /* deltas */ \
  X(DELTA_FORMAT,          -1951, 0, "the delta is damaged or of an unknown format") \
  X(DELTA_BASE,            -1952, 0, "the delta is not for what is installed") \
  X(DELTA_RESULT,          -1953, 0, "the delta did not give the announced image")
/* clang-format on */

/** The errors of the table as constants, and 0. Functions return them as int. */
enum iotkit_error {
/** A row of the table as a constant. */
#define IOTKIT_ERROR_ENUM(name, value, retryable, sentence) IK_E##name = value,
  IOTKIT_ERROR_MAP(IOTKIT_ERROR_ENUM)
#undef IOTKIT_ERROR_ENUM
      IK_OK = 0
};

/** What iotkit_detail texts are cut to, the ending NUL included. */
#define IOTKIT_DETAIL_MAX 256

#ifdef __cplusplus
}
#endif
#endif
