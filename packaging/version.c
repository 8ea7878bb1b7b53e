/* The smallest program that is linked with the library: for packaging/test.sh. */
#include <stdio.h>

#include <verity.h>

int main(void)
{
    if (verity_abi() != VERITY_ABI)
        return 1;
    printf("verity %s\n", verity_version());
    return 0;
}
