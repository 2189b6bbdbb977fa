#include "machine/entropy.h"
#include "lib/cleanup.h"
#include "protocol.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>

int
entropy_add (struct bytes bytes, struct error *err)
{
  struct
  {
    int bits, size;
    uint8_t data[HB_ENTROPY_BYTES_MAX];
  } pool = { (int) (8 * bytes.length), (int) bytes.length, { 0 } };
  if (bytes.length < HB_ENTROPY_BYTES_MIN || bytes.length > HB_ENTROPY_BYTES_MAX)
    return error_set (err, EINVAL, "%zu bytes of entropy are not between %u and %u", bytes.length, HB_ENTROPY_BYTES_MIN,
                      HB_ENTROPY_BYTES_MAX);
  memcpy (pool.data, bytes.data, bytes.length);
  cleanup_close int fd = open ("/dev/urandom", O_RDWR | O_CLOEXEC);
  if (fd < 0 || ioctl (fd, RNDADDENTROPY, &pool) < 0 || ioctl (fd, RNDRESEEDCRNG, 0) < 0)
    return error_errno (err, "reseed the random number generator");
  return 0;
}
