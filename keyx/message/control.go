package message

import (
	"encoding/binary"

	"github.com/scbr/scbr/keyx"
)

// Subscribe asks for a standing subscription under an id of the client's choice.
type Subscribe struct {
	ID     uint32
	Filter []byte // canonical filter
	// Padding is how many zero bytes follow, at most MaxPadding.
	Padding int
}

// AppendSubscribe appends a subscribe message; a filter that is empty or over [MaxFilterBytes] is
// BadMessage.
func AppendSubscribe(dst []byte, m Subscribe) ([]byte, error) {
	if len(m.Filter) == 0 || len(m.Filter) > MaxFilterBytes || uint(m.Padding) > MaxPadding {
		return dst, bad("subscribe")
	}
	dst = binary.BigEndian.AppendUint32(append(dst, byte(TypeSubscribe)), m.ID)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(m.Filter)))
	return appendPadding(append(dst, m.Filter...), m.Padding), nil
}

// DecodeSubscribe decodes a subscribe message; its filter aliases msg.
func DecodeSubscribe(msg []byte) (Subscribe, error) {
	c := open(msg, TypeSubscribe)
	m := Subscribe{ID: c.u32(), Filter: c.take(int(c.u16()))}
	m.Padding = c.padding()
	if !c.done() || len(m.Filter) == 0 || len(m.Filter) > MaxFilterBytes {
		return Subscribe{}, bad("subscribe")
	}
	return m, nil
}

// UnsubscribePadding makes an unsubscribe message as long as a subscribe message in the least bucket.
const UnsubscribePadding = keyx.LeastBucket + 2

// AppendUnsubscribe appends an unsubscribe message with padding zero bytes, at most [MaxPadding].
func AppendUnsubscribe(dst []byte, id uint32, padding int) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, byte(TypeUnsubscribe)), id)
	return appendPadding(dst, min(padding, MaxPadding))
}

// DecodeUnsubscribe decodes an unsubscribe message.
func DecodeUnsubscribe(msg []byte) (id uint32, padding int, err error) {
	c := open(msg, TypeUnsubscribe)
	id, padding = c.u32(), c.padding()
	if !c.done() {
		return 0, 0, bad("unsubscribe")
	}
	return id, padding, nil
}

// Settings are what a client asks of its session.
type Settings struct {
	// Unpadded asks that envelopes and acknowledgements for this session are sent without padding.
	Unpadded bool
}

// AppendSettings appends a settings message.
func AppendSettings(dst []byte, s Settings) []byte {
	var flags byte
	if s.Unpadded {
		flags = flagUnpadded
	}
	return append(dst, byte(TypeSettings), flags)
}

// DecodeSettings decodes a settings message; unknown flags are BadMessage.
func DecodeSettings(msg []byte) (Settings, error) {
	c := open(msg, TypeSettings)
	flags := c.u8()
	if !c.done() || flags > flagUnpadded {
		return Settings{}, bad("settings")
	}
	return Settings{Unpadded: flags == flagUnpadded}, nil
}

// flagUnpadded is Settings.Unpadded.
const flagUnpadded = 1

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
