package abi

import "encoding/binary"

// begin appends the fixed part with an open length; end fills the length in.
func begin(dst []byte, t Type) []byte {
	return append(dst, 0, 0, 0, 0, Version, byte(t))
}

func end(dst []byte, at int) []byte {
	//nolint:gosec // callers keep frames within MaxFrame
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-lengthLen))
	return dst
}

func appendConn(dst []byte, t Type, conn uint64, body []byte) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, t), conn)
	return end(append(dst, body...), at)
}

// AppendOpen appends an Open frame: message 1 of a new connection.
func AppendOpen(dst []byte, conn uint64, msg1 []byte) []byte {
	return appendConn(dst, Open, conn, msg1)
}

// AppendFinish appends a Finish frame: message 3 of a connection.
func AppendFinish(dst []byte, conn uint64, msg3 []byte) []byte {
	return appendConn(dst, Finish, conn, msg3)
}

// AppendData appends a Data frame: a sealed blob of a client whose count
// payloads the host keeps under the references ref .. ref+count-1.
func AppendData(dst []byte, conn, ref uint64, count uint16, blob []byte) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, Data), conn)
	dst = binary.BigEndian.AppendUint64(dst, ref)
	dst = binary.BigEndian.AppendUint16(dst, count)
	return end(append(dst, blob...), at)
}

// AppendClose appends a Close frame: the connection is gone.
func AppendClose(dst []byte, conn uint64) []byte { return appendConn(dst, Close, conn, nil) }

// AppendTick appends a Tick frame: time passed, nothing else happened. The answer, a
// Tock, tells the host that the enclave runs.
func AppendTick(dst []byte) []byte { return end(begin(dst, Tick), len(dst)) }

// AppendShutdown appends a Shutdown frame: answer Bye and exit.
func AppendShutdown(dst []byte) []byte { return end(begin(dst, Shutdown), len(dst)) }

// AppendReady appends a Ready frame, the first one an enclave sends.
func AppendReady(dst []byte, instance [InstanceLen]byte, measurement [MeasurementLen]byte, simulated bool) []byte {
	at := len(dst)
	dst = append(begin(dst, Ready), instance[:]...)
	dst = append(dst, measurement[:]...)
	var sim byte
	if simulated {
		sim = 1
	}
	return end(append(dst, sim), at)
}

// AppendHandshake appends a Handshake frame; stage is StageAnswer or
// StageConfirm.
func AppendHandshake(dst []byte, conn uint64, stage uint8, msg []byte) []byte {
	at := len(dst)
	dst = append(binary.BigEndian.AppendUint64(begin(dst, Handshake), conn), stage)
	return end(append(dst, msg...), at)
}

// AppendDeliver appends a Deliver frame: a sealed blob for a client and the
// payloads that go with it, in order; no reference makes it a control blob. At
// most MaxCount references.
func AppendDeliver(dst []byte, conn uint64, refs []uint64, blob []byte) []byte {
	dst, at := BeginDeliver(dst, conn, refs)
	return EndDeliver(append(dst, blob...), at)
}

// BeginDeliver appends a Deliver frame up to its blob, so that the caller can
// seal the blob straight into dst; EndDeliver with the returned mark ends it.
func BeginDeliver(dst []byte, conn uint64, refs []uint64) (out []byte, mark int) {
	mark = len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, Deliver), conn)
	//nolint:gosec // bounded by MaxCount
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(refs)))
	for _, r := range refs {
		dst = binary.BigEndian.AppendUint64(dst, r)
	}
	return dst, mark
}

// EndDeliver ends the frame that BeginDeliver started at mark.
func EndDeliver(dst []byte, mark int) []byte { return end(dst, mark) }

// AppendHandled appends a Handled frame: the host may free the count
// references from ref on that are not waiting in a delivery queue.
func AppendHandled(dst []byte, ref uint64, count uint16) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, Handled), ref)
	return end(binary.BigEndian.AppendUint16(dst, count), at)
}

// AppendRefuse appends a Refuse frame: the enclave holds nothing for conn any
// more; kind is a number of package keyx and all that is said.
func AppendRefuse(dst []byte, conn uint64, kind uint16) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, Refuse), conn)
	return end(binary.BigEndian.AppendUint16(dst, kind), at)
}

// AppendStats appends a Stats frame.
func AppendStats(dst []byte, s *StatsBody) []byte {
	at := len(dst)
	dst = begin(dst, Stats)
	for _, v := range [...]uint64{s.Subscriptions, s.StoreBytes, s.BudgetBytes} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	dst = binary.BigEndian.AppendUint32(dst, s.Sessions)
	m := &s.Memory
	for _, v := range [...]uint64{
		s.Handled, s.Matched, s.Refused, s.Faults, s.Evictions,
		m.Rows, m.Records, m.Dictionaries, m.Owners, m.Free, m.Outside, m.Heap,
	} {
		dst = binary.BigEndian.AppendUint64(dst, v)
	}
	return end(dst, at)
}

// AppendTakeList appends a TakeList frame: a revocation list as its authority signed it.
func AppendTakeList(dst []byte, list []byte) []byte {
	at := len(dst)
	return end(append(begin(dst, TakeList), list...), at)
}

// AppendListHeld appends a ListHeld frame, the answer to a TakeList: the number of the revocation list
// that is in force now, and why that is not the one offered, as a number of package keyx, or 0.
func AppendListHeld(dst []byte, number uint64, kind uint16) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, ListHeld), number)
	return end(binary.BigEndian.AppendUint16(dst, kind), at)
}

// AppendEndorse appends an Endorse frame: an endorsement as an endorser signed it.
func AppendEndorse(dst []byte, endorsement []byte) []byte {
	at := len(dst)
	return end(append(begin(dst, Endorse), endorsement...), at)
}

// AppendStaple appends a Staple frame: collateral, as the platform's maker published it.
func AppendStaple(dst []byte, collateral []byte) []byte {
	at := len(dst)
	return end(append(begin(dst, Staple), collateral...), at)
}

// AppendEndorsed appends an Endorsed frame, the answer to an Endorse: when what was taken ends, in seconds since
// 1970, or 0 and why nothing was taken, as a number of package keyx.
func AppendEndorsed(dst []byte, until uint64, kind uint16) []byte {
	at := len(dst)
	dst = binary.BigEndian.AppendUint64(begin(dst, Endorsed), until)
	return end(binary.BigEndian.AppendUint16(dst, kind), at)
}

// AppendStatement appends a Statement frame: what the enclave says of its newest key.
func AppendStatement(dst []byte, statement []byte) []byte {
	at := len(dst)
	return end(append(begin(dst, Statement), statement...), at)
}

// AppendBye appends a Bye frame, the last one an enclave sends.
func AppendBye(dst []byte) []byte { return end(begin(dst, Bye), len(dst)) }

// AppendTock appends a Tock frame, the answer to a Tick.
func AppendTock(dst []byte) []byte { return end(begin(dst, Tock), len(dst)) }
