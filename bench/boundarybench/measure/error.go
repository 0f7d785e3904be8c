package measure

import (
	"errors"
	"fmt"

	"github.com/scbr/scbr/keyx"
)

// Errors that callers can tell apart with errors.Is.
var (
	// ErrEnclave reports an enclave that did not do what it was asked.
	ErrEnclave = errors.New("the enclave refused")
	// ErrSize reports a number of subscriptions out of bounds.
	ErrSize = errors.New("bad number of subscriptions")
)

func refused(op string, kind keyx.Kind) error {
	return fmt.Errorf("%w: %s: %v", ErrEnclave, op, kind)
}

func unexpected(op string) error { return fmt.Errorf("%w: %s", ErrEnclave, op) }
