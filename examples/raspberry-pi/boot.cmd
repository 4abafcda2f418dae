# U-Boot for a Raspberry Pi with two systems that RAUC installs, in partition 2 (A) and 3 (B) of the card:
#
#   mkimage -A arm64 -T script -C none -d boot.cmd boot.scr      # onto partition 1, beside U-Boot
#
# BOOT_ORDER says which slot comes first, BOOT_A_LEFT how many tries A has left: a try less at each start. RAUC, and the
# agent by it, gives a healthy system all of them back.

env exists BOOT_ORDER || setenv BOOT_ORDER A B
env exists BOOT_A_LEFT || setenv BOOT_A_LEFT 3
env exists BOOT_B_LEFT || setenv BOOT_B_LEFT 0
setenv chosen none

# The first in the order that has tries left.
for slot in ${BOOT_ORDER}; do
  if test "${slot}" = A; then setenv left "${BOOT_A_LEFT}"; else setenv left "${BOOT_B_LEFT}"; fi
  if test "${chosen}" = none; then
    if test "${left}" -gt 0; then
      setenv chosen "${slot}"
      if test "${left}" -gt 2; then setenv left 2; elif test "${left}" = 2; then setenv left 1; else setenv left 0; fi
      setenv BOOT_${slot}_LEFT "${left}"
    fi
  fi
done

# The last resort: all tries are used up. What must not start is not in the order; the others get new tries.
if test "${chosen}" = none; then
  for slot in ${BOOT_ORDER}; do setenv BOOT_${slot}_LEFT 3; done
  saveenv
  reset
fi
saveenv

if test "${chosen}" = B; then setenv part 3; else setenv part 2; fi
echo "starting slot ${chosen}"
setenv bootargs "root=/dev/mmcblk0p${part} rootwait ro panic=10 rauc.slot=${chosen}"
load mmc 0:${part} ${kernel_addr_r} boot/Image
booti ${kernel_addr_r} - ${fdt_addr}
