package client

import (
	"errors"
	"sync"
)

// maxHistory bounds the blobs sealed but not yet confirmed by the enclave's view
// of the chain. Publications are bounded by the window and commands by their
// slots, and heartbeats confirm once a second: only a host that holds back the
// enclave's heartbeats can reach it.
const maxHistory = 1 << 16

var (
	errFork        = errors.New("the enclave saw another history of commands than we sent")
	errFuture      = errors.New("the enclave confirms commands we have not sent")
	errBackwards   = errors.New("the enclave's view of our commands went backwards")
	errUnconfirmed = errors.New("too many commands the enclave has not confirmed")
)

// history remembers the running hash after each sealed blob until the enclave has
// confirmed it, so that a host that runs two enclaves on one session, or feeds one
// a different past, is noticed.
type history struct {
	mu   sync.Mutex
	base uint64 // count at sums[0]: the newest confirmed one
	sums [][32]byte
}

func newHistory(count uint64, sum [32]byte) *history {
	return &history{base: count, sums: [][32]byte{sum}}
}

// sealed records the chain after one more blob.
func (h *history) sealed(sum [32]byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sums) >= maxHistory {
		return errUnconfirmed
	}
	h.sums = append(h.sums, sum)
	return nil
}

// confirm compares the enclave's view and forgets what lies before it.
func (h *history) confirm(count uint64, sum *[32]byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case count < h.base:
		return errBackwards
	case count-h.base >= uint64(len(h.sums)):
		return errFuture
	}
	i := int(count - h.base)
	if h.sums[i] != *sum {
		return errFork
	}
	h.sums = h.sums[:copy(h.sums, h.sums[i:])]
	h.base = count
	return nil
}
