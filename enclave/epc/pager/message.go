package pager

import (
	"encoding/binary"
	"io"
)

// The two processes speak in messages of a fixed length over a stream socket: a
// request, then its reply, one at a time.
//
//	op u64 | five numbers u64
const (
	messageNumbers = 5
	messageBytes   = 8 * (1 + messageNumbers)
)

// What is asked for. A reply repeats it.
const (
	opAttach   = 1 + iota // base address, bytes; with descriptors: userfaultfd, memory, lifeline
	opDiscard             // offset, bytes
	opCounters            // replied: faults, loads, evictions, minor, busy in ns
	opLimit               // pages
	opTest                // whatever a test's pager does
)

type message struct {
	op uint64
	n  [messageNumbers]uint64
}

func (m *message) encode() []byte {
	b := binary.LittleEndian.AppendUint64(nil, m.op)
	for _, n := range m.n {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

func decode(b []byte) (m message) {
	m.op = binary.LittleEndian.Uint64(b)
	for i := range m.n {
		m.n[i] = binary.LittleEndian.Uint64(b[8*(i+1):])
	}
	return m
}

func readMessage(r io.Reader) (message, error) {
	var b [messageBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return message{}, err
	}
	return decode(b[:]), nil
}

func writeMessage(w io.Writer, m *message) error {
	_, err := w.Write(m.encode())
	return err
}
