package judge

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// Seeds is how many worlds a test plays, and the seed of the first: n of them from the clock, short with -short. SCBR_SEED=N replays one,
// SCBR_SEEDS=N takes another number.
func Seeds(t testing.TB, n, short int) (first uint64, count int) {
	if s, err := strconv.ParseUint(os.Getenv("SCBR_SEED"), 10, 64); err == nil {
		return s, 1
	}
	if k, err := strconv.Atoi(os.Getenv("SCBR_SEEDS")); err == nil {
		n = k
	} else if testing.Short() {
		n = short
	}
	first = uint64(time.Now().UnixNano())
	t.Logf("%d seeds from %d; SCBR_SEED=N replays one, SCBR_SEEDS=N takes another number", n, first)
	return first, n
}
