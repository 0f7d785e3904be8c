package abi

import "encoding/binary"

// Frame is one decoded frame. It borrows the buffer given to Next: Body and the
// references are valid while that buffer is unchanged. Which fields mean
// something depends on Type.
type Frame struct {
	Type  Type
	Conn  uint64 // Open, Finish, Data, Close, Handshake, Deliver, Refuse
	Ref   uint64 // Data, Handled: the first reference
	List  uint64 // ListHeld: the number of the list in force
	Until uint64 // Endorsed: seconds since 1970
	Count uint16 // Data, Handled: number of references from Ref on; Deliver: number of references
	Stage uint8  // Handshake: StageAnswer or StageConfirm
	Kind  uint16 // Refuse, ListHeld, Endorsed
	Body  []byte // Open, Finish, Handshake: the message; Data, Deliver: the sealed blob; TakeList, Endorse, Staple, Statement: the document
	refs  []byte // Deliver: Count references; Ready, Stats: the whole body
}

// Next decodes the first frame of buf and returns what follows it. The error is
// ErrShort when buf ends inside the frame; after a Resumable error rest starts
// at the following frame; after any other error the stream is lost.
func Next(buf []byte) (f Frame, rest []byte, err error) {
	if len(buf) < lengthLen {
		return Frame{}, buf, ErrShort
	}
	n := binary.BigEndian.Uint32(buf)
	if n > MaxFrame || n < HeaderLen-lengthLen {
		return Frame{}, buf, ErrTooLarge
	}
	if len(buf) > lengthLen && buf[lengthLen] != Version {
		return Frame{}, buf, ErrVersion
	}
	if uint64(len(buf)-lengthLen) < uint64(n) {
		return Frame{}, buf, ErrShort
	}
	rest = buf[lengthLen+n:]
	f.Type = Type(buf[lengthLen+1])
	if err := f.decode(buf[HeaderLen : lengthLen+n]); err != nil {
		return Frame{}, rest, err
	}
	return f, rest, nil
}

func (f *Frame) decode(b []byte) error {
	switch f.Type {
	case Open, Finish:
		return f.decodeConn(b, true)
	case Close:
		return f.decodeConn(b, false)
	case Data:
		return f.decodeData(b)
	case TakeList, Endorse, Staple, Statement:
		f.Body = b
		return nil
	case Tick, Shutdown, Bye, Tock:
		return exact(b, 0)
	case Ready:
		f.refs = b
		if len(b) != readyLen || b[readyLen-1] > 1 {
			return ErrBody
		}
		return nil
	case Handshake:
		return f.decodeHandshake(b)
	case Deliver:
		return f.decodeDeliver(b)
	case Handled:
		return f.decodeHandled(b)
	case Refuse, ListHeld, Endorsed:
		return f.decodeKind(b)
	case Stats:
		f.refs = b
		return exact(b, statsLen)
	default:
		return ErrType
	}
}

// decodeKind decodes a number and a kind.
func (f *Frame) decodeKind(b []byte) error {
	if err := exact(b, refuseLen); err != nil {
		return err
	}
	number := binary.BigEndian.Uint64(b)
	switch f.Type {
	case ListHeld:
		f.List = number
	case Endorsed:
		f.Until = number
	default:
		f.Conn = number
	}
	f.Kind = binary.BigEndian.Uint16(b[8:])
	return nil
}

func exact(b []byte, n int) error {
	if len(b) != n {
		return ErrBody
	}
	return nil
}

func (f *Frame) decodeConn(b []byte, more bool) error {
	if len(b) < 8 || (!more && len(b) != 8) {
		return ErrBody
	}
	f.Conn, f.Body = binary.BigEndian.Uint64(b), b[8:]
	return nil
}

func (f *Frame) decodeData(b []byte) error {
	if len(b) < dataLen {
		return ErrBody
	}
	f.Conn, f.Ref = binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])
	f.Count, f.Body = binary.BigEndian.Uint16(b[16:]), b[dataLen:]
	return f.checkRefs()
}

func (f *Frame) decodeHandled(b []byte) error {
	if err := exact(b, handledLen); err != nil {
		return err
	}
	f.Ref, f.Count = binary.BigEndian.Uint64(b), binary.BigEndian.Uint16(b[8:])
	return f.checkRefs()
}

// checkRefs refuses too many references and ranges that wrap round.
func (f *Frame) checkRefs() error {
	if f.Count > MaxCount || f.Ref+uint64(f.Count) < f.Ref {
		return ErrBody
	}
	return nil
}

func (f *Frame) decodeHandshake(b []byte) error {
	if len(b) < 9 {
		return ErrBody
	}
	f.Conn, f.Stage, f.Body = binary.BigEndian.Uint64(b), b[8], b[9:]
	if f.Stage != StageAnswer && f.Stage != StageConfirm {
		return ErrBody
	}
	return nil
}

func (f *Frame) decodeDeliver(b []byte) error {
	if len(b) < deliverLen {
		return ErrBody
	}
	f.Conn, f.Count = binary.BigEndian.Uint64(b), binary.BigEndian.Uint16(b[8:])
	b = b[deliverLen:]
	n := int(f.Count) * refLen
	if f.Count > MaxCount || len(b) < n {
		return ErrBody
	}
	f.refs, f.Body = b[:n], b[n:]
	return nil
}

// RefAt returns reference i of a Deliver frame, 0 <= i < Count.
func (f *Frame) RefAt(i int) uint64 { return binary.BigEndian.Uint64(f.refs[i*refLen:]) }

// Ready returns the fields of a Ready frame.
func (f *Frame) Ready() (instance [InstanceLen]byte, measurement [MeasurementLen]byte, simulated bool) {
	copy(instance[:], f.refs)
	copy(measurement[:], f.refs[InstanceLen:])
	return instance, measurement, f.refs[readyLen-1] == 1
}

// Stats returns the fields of a Stats frame.
func (f *Frame) Stats() StatsBody {
	b, u := f.refs, binary.BigEndian.Uint64
	return StatsBody{
		Subscriptions: u(b), StoreBytes: u(b[8:]), BudgetBytes: u(b[16:]),
		Sessions: binary.BigEndian.Uint32(b[24:]),
		Handled:  u(b[28:]), Matched: u(b[36:]), Refused: u(b[44:]),
		Faults: u(b[52:]), Evictions: u(b[60:]),
		Memory: MemoryBody{u(b[68:]), u(b[76:]), u(b[84:]), u(b[92:]), u(b[100:]), u(b[108:]), u(b[116:])},
	}
}

// Whole returns the length of the whole frames at the start of buf, without
// looking into them: what comes after is the beginning of one more. ErrTooLarge
// and ErrVersion are reported as soon as they show.
func Whole(buf []byte) (int, error) {
	n := 0
	for len(buf)-n >= lengthLen {
		size := binary.BigEndian.Uint32(buf[n:])
		if size > MaxFrame || size < HeaderLen-lengthLen {
			return n, ErrTooLarge
		}
		if len(buf)-n > lengthLen && buf[n+lengthLen] != Version {
			return n, ErrVersion
		}
		if uint64(len(buf)-n-lengthLen) < uint64(size) {
			break
		}
		n += lengthLen + int(size)
	}
	return n, nil
}
