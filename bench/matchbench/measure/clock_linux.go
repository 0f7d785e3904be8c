package measure

import (
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime is the processor time of the calling thread, which the caller has
// locked. It falls back to the wall clock where the kernel does not say.
func cpuTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(ts.Nano())
}
