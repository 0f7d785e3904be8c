package keyx

import "encoding/binary"

// reader takes an encoding apart front to back. A read beyond the end sets bad, and everything read
// after that is zero; callers check once, at the end. What it returns aliases the input.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u8() uint8 {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// lp8, lp16 and lp32 read a length of 1, 2 or 4 bytes and that many bytes, at most limit.
func (r *reader) lp8(limit int) []byte  { return r.limited(int64(r.u8()), limit) }
func (r *reader) lp16(limit int) []byte { return r.limited(int64(r.u16()), limit) }
func (r *reader) lp32(limit int) []byte { return r.limited(int64(r.u32()), limit) }

func (r *reader) limited(n int64, limit int) []byte {
	if n > int64(limit) {
		r.bad = true
	}
	if r.bad {
		return nil
	}
	return r.take(int(n))
}

// done tells whether everything was read and nothing is left.
func (r *reader) done() bool { return !r.bad && len(r.b) == 0 }

func appendLP8(dst, b []byte) []byte { return append(append(dst, uint8(len(b))), b...) }

func appendLP16(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(b))), b...)
}
