// Package link runs a core over the one connection to its host: read what is
// there, step over the whole frames in it, write the answers in one go.
//
// Who may lie to it: the host, which owns the other end. A stream that is not
// made of frames ends the loop with an error; so does an error of the core, after
// which the process has to die. The host closing the connection is the ordinary
// end. The loop promises bounded buffers and no goroutine of its own; it does not
// promise to answer when the host does not read.
package link

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/scbr/scbr/enclave"
	"github.com/scbr/scbr/enclave/abi"
)

const (
	// MinBuffer is the buffer a link starts with: what a unix socket holds.
	MinBuffer = 256 << 10
	// MaxBuffer is what it grows to under load: four frames of the largest
	// size, some 50,000 small publications in one step.
	MaxBuffer = 4 << 20
)

// Stepper is the part of a core that the loop needs.
type Stepper interface {
	Ready(dst []byte) []byte
	StepTo(now time.Time, in []byte, emit func([]byte) error) error
	Done() bool
}

var _ Stepper = (*enclave.Core)(nil)

// WriteError marks a failure to hand output to the host.
type WriteError struct{ Err error }

// Error describes the failure.
func (e *WriteError) Error() string { return fmt.Sprintf("link: write: %v", e.Err) }

// Unwrap returns the cause.
func (e *WriteError) Unwrap() error { return e.Err }

// Run sends Ready and steps the core until it is done or the host is gone, both
// of which are no error.
func Run(conn io.ReadWriter, core Stepper, now func() time.Time) error {
	write := func(b []byte) error {
		if _, err := conn.Write(b); err != nil {
			return &WriteError{err}
		}
		return nil
	}
	err := write(core.Ready(nil))
	if err == nil {
		err = loop(conn, core, now, write)
	}
	if gone(err) {
		return nil
	}
	return err
}

func loop(conn io.Reader, core Stepper, now func() time.Time, write func([]byte) error) error {
	buf := make([]byte, MinBuffer)
	held := 0
	for {
		n, err := conn.Read(buf[held:])
		held += n
		whole, bad := abi.Whole(buf[:held])
		if whole > 0 {
			if err := core.StepTo(now(), buf[:whole], write); err != nil {
				return err
			}
			if core.Done() {
				return nil
			}
		}
		if err := errors.Join(bad, err); err != nil {
			return err
		}
		full := held == len(buf)
		held = copy(buf, buf[whole:held])
		if full && len(buf) < MaxBuffer {
			bigger := make([]byte, min(2*len(buf), MaxBuffer))
			copy(bigger, buf[:held])
			buf = bigger
		}
	}
}

// gone says that the host closed the connection, in whatever way a host does
// that, dying included.
func gone(err error) bool {
	for _, end := range []error{io.EOF, io.ErrClosedPipe, net.ErrClosed, os.ErrClosed, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
