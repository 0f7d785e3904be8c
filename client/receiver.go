package client

import (
	"errors"
	"sync/atomic"

	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/message"
	"github.com/scbr/scbr/router/wire"
)

// counterBytes is the length of the counter that a blob begins with; what it seals is
// opened in its place behind it.
const counterBytes = 8

var (
	errEvents      = errors.New("the enclave sealed another history of blobs than we opened")
	errNumbers     = errors.New("delivery numbers went backwards")
	errRevocation  = errors.New("the enclave's revocation list went backwards")
	errControl     = errors.New("an acknowledgement or answer of the enclave is missing")
	errCut         = errors.New("a blob that is shorter than its counter")
	errControlData = errors.New("payloads came with a message that has none")
)

// receiver is what the reader goroutine knows: it opens blobs in order, keeps
// count, and fills the inbox.
type receiver struct {
	session  *session
	client   *Client
	memory   *memory
	opener   *keyx.Opener
	next     uint64 // number of the next delivery
	controls uint64 // number of the next acknowledgement or reply
	gap      bool   // a blob was missing: the running hash is lost for good

	stale    bool // the blob at hand is under a list older than our own
	payloads payloads
	envelope message.Envelope
	id       keyx.PublicationID
	items    []item // of the frame at hand
}

func newReceiver(s *session, opener *keyx.Opener) *receiver {
	return &receiver{
		session: s, client: s.client, memory: s.client.memory, opener: opener,
		id: keyx.PublicationID{Domain: s.client.cfg.Domain.Name},
	}
}

// memory is what readers know for the life of the Client. Sessions have one reader
// each, and the next begins when the last has ended, so that nothing but the
// counters is ever used by two at once.
type memory struct {
	revocation uint64                   // newest list number seen
	signers    map[[32]byte]*keyx.Grant // verified grants of publishers, by their hash
	names      map[string]string        // subjects seen, so that each is allocated once
	duplicates *duplicates

	delivered, repeated, lost, overflowed, refused atomic.Uint64
}

func newMemory() *memory {
	return &memory{names: make(map[string]string), signers: make(map[[32]byte]*keyx.Grant), duplicates: newDuplicates()}
}

func (m *memory) addTo(s *Stats) {
	s.Delivered = m.delivered.Load()
	s.Duplicates = m.repeated.Load()
	s.Lost = m.lost.Load()
	s.Overflowed = m.overflowed.Load()
	s.IntegrityRefused = m.refused.Load()
}

// blob opens one sealed blob and handles the message in it.
func (r *receiver) blob(f *wire.Frame) *Error {
	count, sum := r.opener.Chain()
	if len(f.Blob) < counterBytes {
		return integrity(errCut)
	}
	msg, skipped, err := r.opener.Open(f.Blob[counterBytes:counterBytes], f.Blob)
	if err != nil {
		return integrity(err)
	}
	// How many deliveries a missing blob held is told by the next number.
	r.gap = r.gap || skipped > 0
	return r.message(msg, f, count+skipped, &sum)
}

// message handles the message of a blob that came in f; count and sum are our
// running hash before it.
func (r *receiver) message(msg []byte, f *wire.Frame, count uint64, sum *[32]byte) *Error {
	t, err := message.TypeOf(msg)
	if err != nil {
		return protocol(err)
	}
	if t != message.TypeDeliver && (f.Count > 0 || r.payloads.count() > 0) {
		return integrity(errControlData)
	}
	switch t {
	case message.TypeDeliver:
		return r.deliver(msg, f)
	case message.TypeAck:
		return r.ack(msg)
	case message.TypeReply:
		reply, err := message.DecodeReply(msg)
		if err != nil {
			return protocol(err)
		}
		if err := r.control(reply.Control); err != nil {
			return err
		}
		r.items = append(r.items, r.client.answered(r.session, reply)...)
		r.publish()
		return nil
	case message.TypeHeartbeat:
		return r.heartbeat(msg, count, sum)
	default:
		return protocol(errUnexpectedFrame)
	}
}

// control takes the number of an acknowledgement or reply. An honest router drops
// deliveries under load, never these: without one of them what waits for it, and
// what a later one seems to say about it, would be a guess.
func (r *receiver) control(number uint64) *Error {
	if number != r.controls {
		return integrity(errControl)
	}
	r.controls++
	return nil
}

func (r *receiver) ack(msg []byte) *Error {
	ack, err := message.ReadAck(msg)
	if err != nil {
		return protocol(err)
	}
	if err := r.control(ack.Control); err != nil {
		return err
	}
	if err := r.session.history.confirm(ack.CmdCount, &ack.CmdChain); err != nil {
		return integrity(err)
	}
	if err := r.client.outbox.acknowledge(&ack); err != nil {
		return integrity(err)
	}
	return nil
}

// heartbeat compares histories in both directions and the number of deliveries.
func (r *receiver) heartbeat(msg []byte, count uint64, sum *[32]byte) *Error {
	h, err := message.DecodeHeartbeat(msg)
	if err != nil {
		return protocol(err)
	}
	if h.Control != r.controls {
		return integrity(errControl)
	}
	if h.EvCount != count || !r.gap && h.EvChain != *sum {
		return integrity(errEvents)
	}
	if err := r.session.history.confirm(h.CmdCount, &h.CmdChain); err != nil {
		return integrity(err)
	}
	if err := r.list(h.Revocation); err != nil {
		return err
	}
	if h.Delivered < r.next {
		return integrity(errNumbers)
	}
	r.session.watchdog.reset(r.session.heartbeatTimeout)
	r.missing(h.Delivered - r.next)
	r.next = h.Delivered
	r.publish()
	return nil
}

// list takes a revocation-list number of the enclave, which only grows.
func (r *receiver) list(number uint64) *Error {
	if number < r.memory.revocation {
		return integrity(errRevocation)
	}
	r.memory.revocation = number
	return nil
}

// missing notes deliveries that were numbered and never came.
func (r *receiver) missing(n uint64) {
	if n > 0 {
		r.memory.lost.Add(n)
		r.items = append(r.items, item{notice: &LostError{N: n}})
	}
}

// publish hands the items of a frame to the inbox.
func (r *receiver) publish() {
	r.client.inbox.push(r.items)
	clear(r.items)
	r.items = r.items[:0]
}

func integrity(err error) *Error { return &Error{Op: opReceive, Kind: KindIntegrity, Err: err} }
func protocol(err error) *Error  { return &Error{Op: opReceive, Kind: KindProtocol, Err: err} }
