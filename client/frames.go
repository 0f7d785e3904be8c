package client

import (
	"errors"
	"io"

	"github.com/scbr/scbr/router/wire"
)

const (
	// initialReadBuffer holds the handshake and ordinary traffic.
	initialReadBuffer = 64 << 10
	// minRead is the room below which the buffer is compacted or grown, so that
	// reads stay large.
	minRead = 16 << 10
	// maxEmptyReads is how often a transport may return nothing and no error in a
	// row, as io.Reader allows; more is a broken one.
	maxEmptyReads = 100
)

var errUnexpectedFrame = errors.New("a frame that does not belong here")

// frameReader cuts a stream into frames.
type frameReader struct {
	r          io.Reader
	buf        []byte
	start, end int
}

func newFrameReader(r io.Reader) *frameReader {
	return &frameReader{r: r, buf: make([]byte, initialReadBuffer)}
}

// next returns the next frame, which aliases the buffer until the call after it.
// The buffer never exceeds the largest frame of limit by more than minRead, and
// doubling.
func (f *frameReader) next(limit int) (wire.Frame, error) {
	for {
		frame, rest, err := wire.Next(f.buf[f.start:f.end], limit)
		if err == nil {
			f.start = f.end - len(rest)
			return frame, nil
		}
		if !errors.Is(err, wire.ErrShort) {
			return wire.Frame{}, err
		}
		if err := f.fill(); err != nil {
			return wire.Frame{}, err
		}
	}
}

func (f *frameReader) fill() error {
	if f.start == f.end {
		f.start, f.end = 0, 0
	}
	if len(f.buf)-f.end < minRead {
		f.end = copy(f.buf, f.buf[f.start:f.end])
		f.start = 0
		if len(f.buf)-f.end < minRead {
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
	}
	for range maxEmptyReads {
		n, err := f.r.Read(f.buf[f.end:])
		f.end += n
		switch {
		case n > 0:
			return nil
		case errors.Is(err, io.EOF) && f.start != f.end:
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// readError names the failure of frameReader.next.
func readError(op string, err error) *Error {
	if _, ok := errors.AsType[*wire.Error](err); ok {
		return &Error{Op: op, Kind: KindProtocol, Err: err}
	}
	return transportError(op, err)
}
