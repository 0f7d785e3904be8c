package message

import (
	"encoding/binary"

	"github.com/scbr/scbr/keyx"
)

// Subscribe asks for a standing subscription under an id of the client's choice.
type Subscribe struct {
	ID     uint32
	Filter []byte // canonical filter
}

// AppendSubscribe appends a subscribe message; a filter that is empty or over [MaxFilterBytes] is
// BadMessage, and dst unchanged.
func AppendSubscribe(dst []byte, m Subscribe) ([]byte, error) {
	if len(m.Filter) == 0 || len(m.Filter) > MaxFilterBytes {
		return dst, bad("subscribe")
	}
	dst = binary.BigEndian.AppendUint32(append(dst, byte(TypeSubscribe)), m.ID)
	return append(dst, m.Filter...), nil
}

// DecodeSubscribe decodes a subscribe message.
func DecodeSubscribe(msg []byte) (Subscribe, error) {
	c := open(msg, TypeSubscribe)
	m := Subscribe{ID: c.u32(), Filter: c.b}
	if c.bad || len(m.Filter) == 0 || len(m.Filter) > MaxFilterBytes {
		return Subscribe{}, bad("subscribe")
	}
	return m, nil
}

// AppendUnsubscribe appends an unsubscribe message.
func AppendUnsubscribe(dst []byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(TypeUnsubscribe)), id)
}

// DecodeUnsubscribe decodes an unsubscribe message.
func DecodeUnsubscribe(msg []byte) (id uint32, err error) {
	c := open(msg, TypeUnsubscribe)
	id = c.u32()
	if !c.done() {
		return 0, bad("unsubscribe")
	}
	return id, nil
}

// AppendPing appends a ping, which asks for a heartbeat.
func AppendPing(dst []byte) []byte { return append(dst, byte(TypePing)) }

// DecodePing decodes a ping.
func DecodePing(msg []byte) error {
	if c := open(msg, TypePing); !c.done() {
		return bad("ping")
	}
	return nil
}

// Reply answers one subscribe or unsubscribe.
type Reply struct {
	Control uint64 // number of this control message: see Heartbeat.Control
	Op      Type   // TypeSubscribe or TypeUnsubscribe
	ID      uint32
	Kind    keyx.Kind // KindOK, or why not
}

// AppendReply appends a reply.
func AppendReply(dst []byte, m Reply) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, byte(TypeReply)), m.Control)
	dst = binary.BigEndian.AppendUint32(append(dst, byte(m.Op)), m.ID)
	return binary.BigEndian.AppendUint16(dst, uint16(m.Kind))
}

// DecodeReply decodes a reply.
func DecodeReply(msg []byte) (Reply, error) {
	c := open(msg, TypeReply)
	m := Reply{Control: c.u64(), Op: Type(c.u8()), ID: c.u32(), Kind: keyx.Kind(c.u16())}
	if !c.done() || m.Op != TypeSubscribe && m.Op != TypeUnsubscribe {
		return Reply{}, bad("reply")
	}
	return m, nil
}

// Heartbeat tells a subscriber what there is to have, so that a cut tail is seen.
type Heartbeat struct {
	Revocation uint64   // list number of the enclave
	Delivered  uint64   // envelopes sealed for the session so far
	Control    uint64   // control messages (Ack, Reply) sealed for the session so far, which number them from 0
	CmdCount   uint64   // blobs from the client that the enclave opened
	CmdChain   [32]byte // and the running hash over them
	EvCount    uint64   // blobs the enclave sealed before this one
	EvChain    [32]byte // and the running hash over them
}

// AppendHeartbeat appends a heartbeat.
func AppendHeartbeat(dst []byte, m *Heartbeat) []byte {
	dst = append(dst, byte(TypeHeartbeat))
	dst = binary.BigEndian.AppendUint64(dst, m.Revocation)
	dst = binary.BigEndian.AppendUint64(dst, m.Delivered)
	dst = binary.BigEndian.AppendUint64(dst, m.Control)
	dst = binary.BigEndian.AppendUint64(dst, m.CmdCount)
	dst = append(dst, m.CmdChain[:]...)
	dst = binary.BigEndian.AppendUint64(dst, m.EvCount)
	return append(dst, m.EvChain[:]...)
}

// DecodeHeartbeat decodes a heartbeat.
func DecodeHeartbeat(msg []byte) (Heartbeat, error) {
	c := open(msg, TypeHeartbeat)
	m := Heartbeat{Revocation: c.u64(), Delivered: c.u64(), Control: c.u64(), CmdCount: c.u64()}
	copy(m.CmdChain[:], c.take(32))
	m.EvCount = c.u64()
	copy(m.EvChain[:], c.take(32))
	if !c.done() {
		return Heartbeat{}, bad("heartbeat")
	}
	return m, nil
}
