/*
 * statements.h - public keys, and signatures in base64 over statements of the image of
 * signatures.h, as version 2 of product a1Product. Made once with node:crypto; of the private keys
 * none was kept.
 */
#ifndef TEST_SUPPORT_STATEMENTS_H
#define TEST_SUPPORT_STATEMENTS_H

#include "support/signatures.h"

/* clang-format off */

#define STATEMENT_KEY \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEtTcsVhRsyI5w/qP5vIJQVPEdJUjG\n" \
  "CLuyTKtyF+BI2CFToFup9u5ELyIt7nAn+9auUoecvsgUhDSrf4MkOUwtEg==\n" \
  "-----END PUBLIC KEY-----\n"

#define STATEMENT_KEY_ED25519 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MCowBQYDK2VwAyEAYUlIyrS0JVRgpicTMYrLo2j0KEpI5LoxP/PIkcQ6qcw=\n" \
  "-----END PUBLIC KEY-----\n"

#define STATEMENT_KEY_RSA \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAq67oFj/L9WqsqPoYZ6Uc\n" \
  "NuSf4OvRZ4DN8fho7EKC+q5kAZpFqoV+4XrY9MOnSTLFgCqEsuaXpFKdPdEiuYi6\n" \
  "eK5YNs0mtJxpNyTnNP8V0AMGUjFvi0bcZKsDpu5DHK73D8umJuOfF19O5Z3630Un\n" \
  "9NSzciZJ2n1x8JKyBUsJ/nsgJOpn3eIuLwMZMCiqVyuwBck6s/iiwGtx1FXVo/It\n" \
  "yjf4wjx7PXXzT01T7t9k2UtEId52ixpvEJKBwk0HbK7jwEaj/g6LUSePSYMnW6PL\n" \
  "8lA3zpMQHDIaYUb34DKEoFfGpm000VnqCoZWiH4VLl5ggkdk2j9E+zOHY5z2+E/d\n" \
  "sQIDAQAB\n" \
  "-----END PUBLIC KEY-----\n"

#define STATED \
  "MEYCIQCClgmDN7d4zfs09Xs7j75vaBgmhjr99Dz7rK6cdH7PYgIhAJuL+yEodP+d+m+6yKH8GIg13maAiw67KJxe" \
  "4tOLCBAR"

#define STATED_ED25519 \
  "xQM04hkg7Kw+PrPOfVc6qD4eRdjKnHLtVqhtISigJEoJ30DNWOrEeNkszfIh6Lo1PMNB1MYrH+LkqH+PQsW8Ag=="

#define STATED_RSA \
  "UY4nF45aMONEAxqBBR45ut0l6Uvf2IptPScbyHTgZcCkx0sJhpiYlpyf3FZo4Ab1IIOhCPdvBCa0clVBrw0JPWeS" \
  "SW+BBhR+DQryNi7h7yfKWmfnYLWeIpk+T0ngUQcl2mLSDuanuP1/Vvycke1D+P8wjWvX2FrDbyZiiH/5B5psDLgA" \
  "5VdGDsLIGrIcFHuzJe3TLjMR0ya/J856F3jX/SKtzd7OQAvs3FTNi9UD7qI1GhysupIPXlFi48HY+UmfO1m2Wkat" \
  "g4CUaVSQdx88MjBeN6Sg0876LHVIuDUwUwhtH5LMz50hur6O1XR0PjkoEnRRTJVEkrtvb0swFxmkxA=="

#define STATED_MD5 \
  "MEYCIQDif1Ap9LJaUzLXV7x/Ke8XxLK5m+MZL51seMrhW0VlgAIhAJgZNxtYDx5b3JWUqovCA+ZOwxwmHcJChbc3" \
  "Jvr/3ROb"

#define STATED_VERSION_1 \
  "MEYCIQDLmxqwJApu+L3fSFLnsz2R0H7y/rln0Wqn77/4QJbJSQIhAOQ+6qW38BD4omzvrDltvZRujoK2MtA+p5+y" \
  "+6TUynJi"

#define STATED_MODULE_MCU \
  "MEQCIFekeMOqk0rtRG6KlIwY5MU53r/U9Vd/gTbzZa2SDQaWAiAJfQOUTd6jwoO8x5vdXZA8yR1KGL1bu8fpNLut" \
  "PN3dIQ=="

#define STATED_PRODUCT_B1 \
  "MEYCIQC8aehoVmLgJAm/eBSlUxcdGAYiqfk42wXDP61TxjZXTgIhAOJU8P7gaQeK0IExgZQJQRWl6EZyZtwKgQAf" \
  "067QYZJh"

#define STATED_DIFF \
  "MEYCIQC98dlvKBSJAEr27s2a4JxGOACj2nx+Z3dM46mOfT3OKgIhAP6h5hsSFC8JMTRJFAROCp3iT+w3Yhj9nVH9" \
  "Pz2pPC7W"

#define STATED_SIZE_25 \
  "MEQCIEWqq9tjNwngC5F816DXGMi5IbcpbP9ThHRmczacP5tzAiAsX7Q0mN8O0Iv9DrbEl0ehEEUOm1CgRk0XIByJ" \
  "TUrYIA=="

#define STATED_FILE_F \
  "MEYCIQCd6VKKAeiFJdRxf8fQHZDvtTamnzB1WjHxqjhb3TWfegIhAPPlvuZC902bTpvQsFdJ7PQk2lwDSeWNRGrU" \
  "zxIREbUd"

#define STATED_FILE_G \
  "MEQCIDbzptVkdYVBOQP0CbaMNptYiIX3QMTcE4/KDc0WmzgyAiBG7P20+vYYTIlRoh+L0xuoepWiUfQNtM8oBGz+" \
  "KMA2xg=="

#define STATED_NO_LAST_LF \
  "MEUCIEgPsdGJC/Fnn4M69s1XYnlcpBHTO3xepdFG7l/8IvW1AiEAySvzr9XnarwqxThY8TWsPKFJiocq/Uq89EDx" \
  "vImVy+o="

#define STATED_DIGEST \
  "MEUCIQC/J7vvUJzDcvOyUMfNYR6Ob42jrRyDejVTHQGufxEaBwIgbBSpbVb4MkuklqBbejSiLTa0lpbPvzuz4jLl" \
  "08mAJO0="

/* clang-format on */

#endif
