/*
 * signatures.h - public keys, and signatures in base64 over an image and over its digests. Made
 * once with node:crypto; of the private keys none was kept.
 */
#ifndef TEST_SUPPORT_SIGNATURES_H
#define TEST_SUPPORT_SIGNATURES_H

/* clang-format off */

#define IMAGE "firmware of version 2.0\n"

#define KEY_RSA_2048 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwTUxyjEIh0uTpVAQBKHa\n" \
  "9Hj/YwaqgbWBadhWGwKUaodrnkM8k200crgorDQZtR0YAYga0EG3orb/SdZ2LBe6\n" \
  "bb/FSH7CCN+zZfN4qnRyQQTq/NpWxPK0DRl2wrYEJyITgnONcfXI6tUmDezfO6QB\n" \
  "U8CEbQLLAghwyGDNgPKgVdQM1x/GKGyt7Yxz9sHwlwug55BrD+C92aI/kPOj1BKZ\n" \
  "hEI+XabYzOutNyLFYpg7zCmj1pzv0L1QLfaw0l4sU0yocmy1FoZ/6QccA3w02xhk\n" \
  "n7ilUre+/rFLzlbAfW8j+ky9VoQ7I+5aFR1MuQauti5Xz2dZ7d1zvawKzgLFVyMt\n" \
  "IQIDAQAB\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_RSA_4096 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIICIjANBgkqhkiG9w0BAQEFAAOCAg8AMIICCgKCAgEAyH40uOLlzEtN1TJONU9x\n" \
  "dPTBGtbZzRhOGerbdXCFCCzIt25h7yY3lTmQwplkpl5Zx8IdOuVXQhZ+JFRrx22g\n" \
  "EC/siSzPr2lDlGpSSv1Vc4dSRKBeGuW8y/XoGaV/XVtpIUcvBJ4hveXMvhzMKZ8W\n" \
  "r/U7EWl6EIPjCBg9KDFvBgjuE0gFaGxf7BJrCKG4UB5P+UAmS8sTG5WHdswZnh/Q\n" \
  "O4OJOWyEECnMBohwPPB4EF4l2a2cpQl5wGnT4lkmdOLNpsEUvDItjfyJi8l3vUKz\n" \
  "fE5tLdA0h9ae9iYj5w1AYUzkkJxit6kHCLR49ZBwqReDxD+TMhqxqm5S763jmTs0\n" \
  "0rP9VUR9kVCbT1C8OWjRcqOPrC/95oMCDwYj9lvLZKO2nY0tDznpfJn7dRVDBfb6\n" \
  "zTQuMkvAo+OtHoweLQR4JJtUe1rTltCr25YDPhVIKg9tiMG9uvmCdVt3M9mOiMSI\n" \
  "K5im5hxvQbjMd9920vQstnMHj92liE3NXZFCAULZG759VPP+6Dg3R9iiSs2QVayx\n" \
  "ytDw9XuXr2qZfWIdhw2Q6CsC3pDJBBpf/fpQCnwgQRAdrno1NtWs05bF4jHb9JwO\n" \
  "UGuACVLopAdA2QpadxWUJ6etX6iv2MK4AQMoLvlWBeNa447jjS3R7Dhf+wva6gDa\n" \
  "/npMF+7qzhVPtS4/OFGFZ5sCAwEAAQ==\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_RSA_1024 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDWWqtjVQA/1Kp8dOm20/j47eoU\n" \
  "y0hdWs0jKHs7coDP033Q6MgnMMhzWxZ0sQE+xWNh3rVW5Yks8Y0scVlv2eoIeFuT\n" \
  "2Jia6S8QY1P71AkECdVlvOCUfhVK6UvMPSeYsKt7y1rvmwv2Aqq/3PFwfG4QwI40\n" \
  "pMdGmeEgDEYNnEg3EwIDAQAB\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_P256 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEL4RmhrflWP/sUC1oN0U7ll4zo69n\n" \
  "VHkey7wkcWSjYpaYezDbHeiDdGHMUFH3vjA/nvJ/MBBguirM+xwPgYyu0A==\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_P384 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAELk/LkNd42nd0CZUR5DOgjxBU3j4fErE2\n" \
  "bFn9uR371zPcNFkqIPLCZVeJbx8LfF0jkHb+vmSWVONrpasekPQQAIXT+Pf6Cmhc\n" \
  "GggmAEvgFoxhaRIbOwTPfFEC4j6UbXWz\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_ED25519 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MCowBQYDK2VwAyEAxgs6jNHABvs9ljdpufjjzMBVzWnnvNVFWNpKhC6KnNs=\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_ED448 \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MEMwBQYDK2VxAzoA40ynBATsRKPDjjzq8VJ3TovF6iwg4KzmE3myDqWPBI/Db0M9\n" \
  "w8Iq9vwDFrZmcrt/YgHcMez6QNuA\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_RSA_PSS \
  "-----BEGIN PUBLIC KEY-----\n" \
  "MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBAK7IQ9S67M6+5HdL1w0vhMz7\n" \
  "mRuLVpTLKMemB1diGbsV7NzRTkMmES6zPavml3/i+qJTglmbzDxnoaxGPNPKxpGJ\n" \
  "UF8/7XcVdCDzGtnLa199QCHSoyRAFsMYcEYSCevBLDo8T7wRRUAhyBjkteGG006p\n" \
  "LslV1KfPKnKXjmDw81BedWVF4jVXn4W2FoXvJcpZ33GF3X+q2eqMD6IYARjDw8lw\n" \
  "g5WU5y6yGXHFY0TPioyalf2MNqeRumXMFgSN932F56szLCikhSalwTFLolC3sMXu\n" \
  "D74+0/+Dl510agnZHWcZ1qXSs8u7UnkDJh2mTXNeTqLp95eKlwFHokk+VmRxg0UC\n" \
  "AwEAAQ==\n" \
  "-----END PUBLIC KEY-----\n"

#define KEY_RSA_PKCS1 \
  "-----BEGIN RSA PUBLIC KEY-----\n" \
  "MIIBCgKCAQEAwTUxyjEIh0uTpVAQBKHa9Hj/YwaqgbWBadhWGwKUaodrnkM8k200\n" \
  "crgorDQZtR0YAYga0EG3orb/SdZ2LBe6bb/FSH7CCN+zZfN4qnRyQQTq/NpWxPK0\n" \
  "DRl2wrYEJyITgnONcfXI6tUmDezfO6QBU8CEbQLLAghwyGDNgPKgVdQM1x/GKGyt\n" \
  "7Yxz9sHwlwug55BrD+C92aI/kPOj1BKZhEI+XabYzOutNyLFYpg7zCmj1pzv0L1Q\n" \
  "Lfaw0l4sU0yocmy1FoZ/6QccA3w02xhkn7ilUre+/rFLzlbAfW8j+ky9VoQ7I+5a\n" \
  "FR1MuQauti5Xz2dZ7d1zvawKzgLFVyMtIQIDAQAB\n" \
  "-----END RSA PUBLIC KEY-----\n"

#define CERTIFICATE_P256 \
  "-----BEGIN CERTIFICATE-----\n" \
  "MIIBizCCATKgAwIBAgITMIR0EYzuxMzQYSv+Kf2CWaLWBTAKBggqhkjOPQQDAjAb\n" \
  "MRkwFwYDVQQDDBBmaXJtd2FyZSBzaWduaW5nMCAXDTI2MTEyMzE3MTU0MFoYDzIx\n" \
  "MjYxMDMwMTcxNTQwWjAbMRkwFwYDVQQDDBBmaXJtd2FyZSBzaWduaW5nMFkwEwYH\n" \
  "KoZIzj0CAQYIKoZIzj0DAQcDQgAEL4RmhrflWP/sUC1oN0U7ll4zo69nVHkey7wk\n" \
  "cWSjYpaYezDbHeiDdGHMUFH3vjA/nvJ/MBBguirM+xwPgYyu0KNTMFEwHQYDVR0O\n" \
  "BBYEFFO3ROwUoz5O+Htr03orw3+8y6MDMB8GA1UdIwQYMBaAFFO3ROwUoz5O+Htr\n" \
  "03orw3+8y6MDMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDRwAwRAIgSJVM\n" \
  "ZWkPDWxw5G0RNKyKpBM6kCxxNuD9hNq/5xfqaEgCIGaDnoA7deIvEAbmKry2RnqO\n" \
  "odTvUdmXtXwvNLh8IHnH\n" \
  "-----END CERTIFICATE-----\n"

#define IMAGE_SHA256 \
  "df28be0117071e96d1bced93b21a25b3d05c23c99d692c64f38f4a3a0e4669f6"

#define IMAGE_MD5 \
  "28ea99c8e69cd93162d654d4ac710bae"

#define SIGNED_SHA256_RSA_2048 \
  "UHUFZbscR1t/WI9jskNMB1ehi/prnPIMJWDN0jxbPk6hCRREuyVVLOoZuFQcOJ0cTtKxUMXvv4+vBDapj0oDmS+Z" \
  "HISSLDQ7DjbTvMJIyQuMf/Ozw4iIF2kVAngoSENu+JR4OJke3z1G7sU8yKONljjGq5X8wNPdrkEs1W6QvzlWeYS9" \
  "4os1Ec0nJiw9o4AS1L+8kni4JKYujkCkGyjd4ZKiYLnaft8ENvlhTLc1SAJApJbUhk3qjEmILTEjVl1g6Yb8BYxU" \
  "T7B4vsjUwGfhznb93F5mH6U674A07okpe/M+P62pumAU+lUf3ohi9GdPm4baPW+fPggjXHwME5OXHQ=="

#define SIGNED_MD5_RSA_2048 \
  "bsiCenjYugG5iTaqigTx6Oohvlb75AM9abw+hMlOPR4ZEY2Nw0TFKsSi61u1XuGJ3Sl+2lecQI1pde1ryuNmvLM3" \
  "M85lOf0zgdPlBdSLO1AeO5t6YJuYL7eMDoc52f1sAcl6fdJdBo9xEb/kPIyz12feFMcQFeXlzVIyzvLLAUDkfBgz" \
  "EkWOGNQBUgvjTonEPS31e6sxTtfvLzAxwk2wNlMbcPZCiopXoon01TDiAPvWfCtyE7JSMDTylR6ZyQrssg3GBJet" \
  "aIx+/eUjmq9Rd7FyYhIzVHdBfnJMJNOtcQ6Vul0gZW7fYjebgwm9+/RnetthpQC5H7Nt4itomkVqvw=="

#define SIGNED_IMAGE_RSA_2048 \
  "nAVJ/kLv5KmSfrElBltQY6AsDKTKED+mXXGZEx7b3Bk+ng3KXjAuKjSwRS6Ts4hGNI1B0n4AQWFOBblEJJP4doGX" \
  "BHwD8nxUVNEGcbBScGms6uNI5ra53VFyiE9tUBlD3f4mKdaydgxR5Pe+x0B9FHt/Hh5zY7ghXMZocdkGjOml8Khc" \
  "kdzghUgy1aVYYKxaL+W/HoUuE7ETPwvFxPTFW2+ALlewazjTx4lFZvioJUImVQHNejBcdrXpVEsJBdE1SdlaU121" \
  "YQU5SK8dFg4STw10cL5c+en9w4+9oF2OHi7OxXCW0s6S4cpwdewoVzDlrOr7jyzt4dSg+aIApq0x6A=="

#define SIGNED_SHA256_RSA_4096 \
  "LpnheAGGxqUSkLfE6M0Si7dG/9C5NlogKDOyqzBs/IlLcKKcaqnXxa6ae5Slv8xReSU0caG+n2fhezrdjQfiEfmu" \
  "ebdCFp9/+YP6KJ+P6mliVbYP18OtO1L7bPCRrRyRSvPDla8bYU2S+jfIni4o0OxeDWPKISUPr+xn8xDRwaNhSv1B" \
  "NeP71zUI+UuhCIudJ32C0RpBRtfxsleCjPvKezjd5OscEx3RnEp1eExI+6Ui4Px6Plt0hknHmnXD8J4Z8O2vGo5l" \
  "aVB2T1LmMy6bKkGRpmrPiLs8aYUXxnQ6cuKQzR+zrfXb/2TkZPn4lUhy6mBkhSZ8DUQHPAEFaxJ9QtzqugpkCDul" \
  "RDEXhvB7HNS0qPi5ILbQ5X/sSaT3WFMWzFGo2gWEmu09XqL2PxB4rLnxmOSaD0VrcZlkl3umUfNHu9OxNq9z1dXY" \
  "5i2TDDP93hlrOPX1otyTly4PjeRoUplW8j8cV7MtTvI1FuKlVEUJVqHl30Vf8I8dVwgAh/jQp9Mb7rTNrU+rXKuo" \
  "pUKx/A8ldjuKMeGPkgF5dtF+Shgz2oYD1VmxNqD0zNvI/uRdX5sKcHN/lbDAr3hDTRuNrxIGx8y4pcMIrpUbGyYC" \
  "onarp6F6GdkneUvZg9VMhjMimD2QnB20Es9X8zFD04F7jEl1F5qPWYFz2VZ0QI4pOr0="

#define SIGNED_MD5_RSA_4096 \
  "xPn4Bt6R3vB0NRAFeFfCMwdrVIvKlLSghoH3Tq5MN0L17yEX0qhRhuQiTToD0OE1fmmTJdo+QBUaQ45+qzBaw80B" \
  "A1Xlp4PICLmOxy1OxgBJEu+p4WWRLJIrpHcGVH7HuKFSqvJpvju4NSQGFaf139isvaTw++l6fTBeB180cH/jAXP2" \
  "QcZKw62shfFh5Ob7Q/Qd+RIVXkpuHD6l3+8W2ZT9qPnQaE78hnDxpGJZ2/zJ8wVplndqnOcBT3cvjyXN2/v8TM8e" \
  "QMF2XbiD1Ou+Hc5aIbUoWu7sOF9TcFFpGKdUHEiT0FQt//MYSkbCSRENE7pzjpZS1POyTb2/gjIEp1DOz6xx02e4" \
  "134UHX6gOJPu+6PCLomt97TzdzqKgMLhvATnCLq0uR5DwW3+hWSnuGa8oxKA/FhB3wfIeq7MEa+JJZ30sEzXPp58" \
  "8cXkLuRZ+86TuUMC9S3vYOyJlXC0c/qRbdeKTGhQyk1xWQnM1XzRTcIagJ87I56oQw8Zm386MmmQlxsV82t+xUDZ" \
  "X4pkxEAIanWNZDki/NUJCmLVSwCLs7UKcH5E6e9qrJjdu8t4ptttYOi+P3TkI0EomN0dytXsQ6WXQp/FKX1m2mop" \
  "a5Yb+ZoFygGCZZzE+NfA1DGZtA8E/x3w0A/fABizacCgZPBBtjyUFuN1GZuN8bQM/5Q="

#define SIGNED_IMAGE_RSA_4096 \
  "WRn4Wm0GU0W4IG6keRrKEIQlLUoA74EiuVsm3GLtH+TYloykpCp/H0HlYi/Qy1oE/BO0nezEIHJlOdN1E58D+VR3" \
  "Zl/Wq1jrl53rNJ30umBlIv5hQVV2K5YOjjzCTnRZU4pG4/4Db5XzPrEIo0y3YZwEf+CoSsOEJCiNuFh20FajscCW" \
  "0IbuMJSX67cZVvHIE9pBOHIDsskhJWag2kF/LkaJTIm0nNwz/bjW2R8d0rCNi4FiKBeHF7hdvLB19LVjPt363jkS" \
  "FhASkEfx186Qhu3G7yhPHq+2y4lDGf/uD+9YTFJQAWtNB0TSPDG07ohxyJTQgXmr/A0zO3XbHm5S0UK5p3qI/YJX" \
  "6GZVHkE8+UJL7lu2m/JCDF+g/6l1NPo1UByAscaE/dS/ykk10As3R3GPj2PK+F2H9t/6ivwy7x4MU5jSYYxBagjI" \
  "uGtfb1jZIgzbqQ/MmAeavmKdRwC7CXx6fHPKhAnsuokASrnpmg6ItQ+JKUTBRTMA52fNu7WIg9oaZvrw6zKX26RQ" \
  "Ui4UIMHraoHVHOs8u2r1qm0mxU89ZeVWIaHIYYCiNauk+CpKS+/7vyI/DWTQeGRiuHeT4LtRQzIPJ8R8CJp2jKGu" \
  "RIC4g+9ZGCMXdBt25ASqlxaZ9PZLVPh0pqXG0+kHg9JHYHJSpqWtqR6vIm+slij03uo="

#define SIGNED_SHA256_P256 \
  "MEQCICwJklIHRW4LVTcEdSZQoFpiPnq1/7JmK/gQhST0cpKYAiB0GYw0Q8D0hf6WARV1/l4/OrxLe4jlB98f9DoZ" \
  "tjuCYw=="

#define SIGNED_MD5_P256 \
  "MEUCIH9LXCHFW+gEDcEljaQDkbuY3hPKoNUt4geLdIopQ13UAiEA1Wxx9k2tM3WaJBHX72luHYsk3GKNS4dN+PEg" \
  "wec31Zo="

#define SIGNED_IMAGE_P256 \
  "MEUCIGVQvK9PGh9hyK7eLvgqQ7rw1fiO6JKAmYwGvEs/TPNpAiEArEllBeQkPlebtJ4bOadJQzJdvjzdlc971avh" \
  "h4l0KLc="

#define SIGNED_SHA256_ED25519 \
  "29kJFqPido4Ef7W+moXzRtFuTuJ8tr79ciWi9oOW+L0f1rFBVMohBEzPZtPutUHqVBAiRUG33/JeLht2kjR/Bg=="

#define SIGNED_MD5_ED25519 \
  "V5GRT8/mK7btBqPh01vvw5xyShsthmLQYh5E7fMKAPkP8hzZTXFgDiPVX4dUmLsZMqmdkeaUWNfXbhlFVQOOAQ=="

#define SIGNED_IMAGE_ED25519 \
  "TR/jIaMQBm71jIGYSs4ETzha9TiNzx0wiOs/86xAuq1ES26Soa4ycX/yng41draiQ1+F4SZdfbBQteMu81EkDA=="

/* clang-format on */

#endif
