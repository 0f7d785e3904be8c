package llc

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// counterBytes is what a counter reads as: the count, and for how many
// nanoseconds it was wanted and was running.
const counterBytes = 24

// Misses counts the last-level cache misses of the calling thread, in user space, while do runs. The caller has locked the thread.
// Where the machine or its rules have no such counter it returns a reason, and do may have run or not.
func Misses(do func()) (float64, error) {
	fd, err := openCounter()
	if err != nil {
		return 0, fmt.Errorf("no counter of cache misses: perf_event_open: %w", err)
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_ENABLE, 0); err != nil {
		return 0, err
	}
	do()
	if err := unix.IoctlSetInt(fd, unix.PERF_EVENT_IOC_DISABLE, 0); err != nil {
		return 0, err
	}
	var b [counterBytes]byte
	if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
		return 0, fmt.Errorf("%w: reading it gave %d bytes: %w", ErrNone, n, err)
	}
	return counted(b)
}

// openCounter prefers reads that miss the last level; some processors have only
// the general count of misses.
func openCounter() (fd int, err error) {
	const readMiss = unix.PERF_COUNT_HW_CACHE_LL | unix.PERF_COUNT_HW_CACHE_OP_READ<<8 | unix.PERF_COUNT_HW_CACHE_RESULT_MISS<<16
	for _, c := range []struct {
		typ    uint32
		config uint64
	}{
		{unix.PERF_TYPE_HW_CACHE, readMiss},
		{unix.PERF_TYPE_HARDWARE, unix.PERF_COUNT_HW_CACHE_MISSES},
	} {
		attr := unix.PerfEventAttr{
			Type: c.typ, Config: c.config,
			Size:        uint32(unsafe.Sizeof(unix.PerfEventAttr{})), // #nosec G103 -- a size only
			Bits:        unix.PerfBitDisabled | unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
			Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
		}
		if fd, err = unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC); err == nil {
			return fd, nil
		}
	}
	return 0, err
}

// counted scales a count to the time it was wanted for, because counters take
// turns where there are too few. One that never ran counted nothing.
func counted(b [counterBytes]byte) (float64, error) {
	count, wanted, running := binary.NativeEndian.Uint64(b[:]), binary.NativeEndian.Uint64(b[8:]), binary.NativeEndian.Uint64(b[16:])
	if running == 0 {
		return 0, ErrNone
	}
	return float64(count) * float64(wanted) / float64(running), nil
}
