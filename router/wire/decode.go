package wire

import "encoding/binary"

// Next decodes the first frame of buf. It returns ErrShort while buf does not hold a whole frame, and an *Error with
// FrameTooLarge as soon as the length field exceeds limit (MaxHandshakeFrame or MaxRequestFrame before the session is confirmed, MaxFrame after),
// so that a caller never buffers more than limit + 4 bytes for one frame. Any other fault is an *Error with BadFrame; no
// decoding goes on after either. rest is what follows the frame.
func Next(buf []byte, limit int) (f Frame, rest []byte, err error) {
	if len(buf) < lengthBytes {
		return Frame{}, buf, ErrShort
	}
	size := int64(binary.BigEndian.Uint32(buf))
	if size > int64(min(limit, MaxFrame)) {
		return Frame{}, buf, &Error{Op: "frame length", Kind: FrameTooLarge}
	}
	if size < HeaderBytes-lengthBytes {
		return Frame{}, buf, bad("frame length")
	}
	// Version and type are judged as soon as they are there: a stranger's bytes are not collected first.
	if len(buf) > lengthBytes && buf[4] != Version {
		return Frame{}, buf, bad("version")
	}
	if int64(len(buf)-lengthBytes) < size {
		return Frame{}, buf, ErrShort
	}
	end := lengthBytes + int(size)
	f, err = decode(Type(buf[5]), buf[HeaderBytes:end:end])
	if err != nil {
		return Frame{}, buf, err
	}
	return f, buf[end:], nil
}

func decode(t Type, body []byte) (Frame, error) {
	f := Frame{Type: t}
	switch t {
	case TypeHello, TypeFinish, TypeServerHello, TypeConfirm:
		if len(body) == 0 {
			return Frame{}, bad("empty message")
		}
		f.Msg = body
		return f, nil
	case TypeData, TypeDelivery:
		blob, rest, ok := cut(body)
		if !ok || len(blob) == 0 {
			return Frame{}, bad("blob")
		}
		f.Blob = blob
		return f, f.setPayloads(rest)
	case TypePayloads:
		if err := f.setPayloads(body); err != nil {
			return Frame{}, err
		}
		if f.Count == 0 {
			return Frame{}, bad("no payloads")
		}
		return f, nil
	case TypeRefuse:
		if len(body) != 2 || binary.BigEndian.Uint16(body) == 0 {
			return Frame{}, bad("refusal")
		}
		f.Kind = Kind(binary.BigEndian.Uint16(body))
		return f, nil
	case TypeBye:
		if len(body) != 0 {
			return Frame{}, bad("trailing bytes")
		}
		return f, nil
	default:
		return Frame{}, bad("type")
	}
}

// setPayloads checks u16 count | count x lp32 payload, exactly to the end of b.
func (f *Frame) setPayloads(b []byte) error {
	if len(b) < 2 {
		return bad("payload count")
	}
	count := int(binary.BigEndian.Uint16(b))
	if count > MaxPayloads {
		return bad("payload count")
	}
	f.Count, f.payloads = count, b[2:]
	rest := f.payloads
	for range count {
		var ok bool
		if _, rest, ok = cut(rest); !ok {
			return bad("payload")
		}
	}
	if len(rest) != 0 {
		return bad("trailing bytes")
	}
	return nil
}

// cut takes one lp32 value off b.
func cut(b []byte) (value, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int64(binary.BigEndian.Uint32(b))
	if n > int64(len(b)-4) {
		return nil, nil, false
	}
	end := 4 + int(n)
	return b[4:end:end], b[end:], true
}

func bad(op string) *Error { return &Error{Op: op, Kind: BadFrame} }
