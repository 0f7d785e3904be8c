package hostile

import (
	"math/rand/v2"
	"time"

	"github.com/scbr/scbr/router/wire"
)

// verb is one thing that a host can do to a sealed blob on its way, or to what goes with it.
type verb string

// The verbs: towards the core (in), and towards a client (out).
const (
	inDrop       verb = "in: dropped"
	inDuplicate  verb = "in: duplicated"
	inReorder    verb = "in: reordered"
	inFlip       verb = "in: bit flipped"
	inTruncate   verb = "in: truncated"
	inReplay     verb = "in: replayed later"
	inForeign    verb = "in: replayed in another session"
	inEarlier    verb = "in: replayed of another enclave instance"
	inMisdeliver verb = "in: handed over as another session's"
	inReflect    verb = "in: the core's own blob reflected"
	inCount      verb = "in: count of payloads lies"
	inTail       verb = "in: cut tail"
	inSwap       verb = "in: payloads of two publications swapped"

	outDrop       verb = "out: dropped"
	outDuplicate  verb = "out: duplicated"
	outReorder    verb = "out: reordered"
	outFlip       verb = "out: bit flipped"
	outTruncate   verb = "out: truncated"
	outReplay     verb = "out: replayed later"
	outEarlier    verb = "out: replayed of another enclave instance"
	outMisdeliver verb = "out: handed to another session"
	outReflect    verb = "out: the client's own blob reflected"
	outSwap       verb = "out: payload of another publication"
	outPayload    verb = "out: bit of a payload flipped"
	outMissing    verb = "out: payload withheld"
	outSurplus    verb = "out: surplus payload"
	outTail       verb = "out: cut tail"
	outClose      verb = "out: cut tail and an orderly close"
	outBeats      verb = "out: heartbeats withheld"
	outRefusal    verb = "out: refusal forged"

	clockBack  verb = "clock set back"
	clockAhead verb = "clock set far ahead"
)

func verbs() []verb {
	return []verb{
		inDrop, inDuplicate, inReorder, inFlip, inTruncate, inReplay, inForeign, inEarlier, inMisdeliver, inReflect, inCount, inTail, inSwap,
		outDrop, outDuplicate, outReorder, outFlip, outTruncate, outReplay, outEarlier, outMisdeliver, outReflect, outSwap, outPayload, outMissing,
		outSurplus, outTail, outClose, outBeats, outRefusal, clockBack, clockAhead,
	}
}

// harmless are those that nobody has to notice: the core's time never goes back, so that a clock that does is a clock that stands still.
func (v verb) harmless() bool { return v == clockBack }

// attack is one verb at one place.
type attack struct {
	verb verb
	conn uint64 // the session it aims at
	at   int    // the how many'th blob of it
	r    *rand.Rand

	earlier *host // of another instance

	count  int
	struck bool // it happened, and changed something
	kept   *packet
}

// due counts the blobs of the session and says whether this one is it.
func (a *attack) due(p *packet) bool {
	if p.conn != a.conn {
		return false
	}
	a.count++
	return a.count == a.at
}

func (a *attack) inwards(h *host, p packet) []packet {
	if a.verb == inTail && a.struck && p.conn == a.conn {
		return nil
	}
	if a.kept != nil && p.conn == a.conn {
		first := *a.kept
		a.kept = nil
		a.struck = true
		return a.after(h, p, first)
	}
	if a.verb[0] != 'i' || !a.due(&p) {
		return []packet{p}
	}
	return a.inward(h, p)
}

// after is what a verb does that needs two blobs.
func (a *attack) after(h *host, p, first packet) []packet {
	switch a.verb {
	case inReplay, outReplay:
		return []packet{p, first}
	case inSwap, outSwap:
		if len(p.payloads) == 0 || len(first.payloads) == 0 {
			a.struck = false
			a.kept = &first
			return []packet{p}
		}
		p.payloads[0] = first.payloads[0]
		return []packet{p}
	default: // reordered
		return []packet{p, first}
	}
}

func (a *attack) inward(h *host, p packet) []packet {
	a.struck = true
	switch a.verb {
	case inDrop, inTail:
		return nil
	case inDuplicate:
		return []packet{p, p.clone()}
	case inReorder:
		a.struck = false
		a.kept = &p
		return nil
	case inReplay, inSwap:
		a.struck = false
		kept := p.clone()
		a.kept = &kept
		return []packet{p}
	case inFlip:
		p.blob[a.r.IntN(len(p.blob))] ^= 1 << a.r.IntN(8)
	case inTruncate:
		p.blob = p.blob[:a.r.IntN(len(p.blob)-1)+1]
	case inForeign:
		other := a.foreign(h.inward)
		if other == nil {
			a.struck = false
			return []packet{p}
		}
		return []packet{p, {conn: p.conn, blob: other.blob, payloads: other.payloads}}
	case inEarlier:
		old := a.own(a.earlier.inward)
		return []packet{{conn: p.conn, blob: old.blob, payloads: old.payloads}}
	case inMisdeliver:
		p.conn = 1 + p.conn%h.next
	case inReflect:
		own := a.own(h.outward)
		if own == nil {
			a.struck = false
			return []packet{p}
		}
		return []packet{{conn: p.conn, blob: own.blob, payloads: p.payloads}}
	case inCount:
		h.data(p, len(p.payloads)+1)
		return nil
	default:
	}
	return []packet{p}
}

func (a *attack) outwards(h *host, p packet) []packet {
	if p.conn == a.conn && a.struck && (a.verb == outTail || a.verb == outBeats && p.heartbeat()) {
		return nil
	}
	if a.kept != nil && a.verb[0] == 'o' && p.conn == a.conn {
		first := *a.kept
		a.kept = nil
		a.struck = true
		return a.after(h, p, first)
	}
	if a.verb[0] != 'o' || a.verb != outBeats && p.heartbeat() || !a.due(&p) {
		return []packet{p}
	}
	return a.outward(h, p)
}

func (a *attack) outward(h *host, p packet) []packet {
	a.struck = true
	switch a.verb {
	case outDrop, outTail:
		return nil
	case outClose:
		_ = h.links[p.conn].end.Close()
		return nil
	case outDuplicate:
		return []packet{p, p.clone()}
	case outReorder:
		a.struck = false
		a.kept = &p
		return nil
	case outReplay, outSwap:
		a.struck = false
		kept := p.clone()
		a.kept = &kept
		return []packet{p}
	case outFlip:
		p.blob[a.r.IntN(len(p.blob))] ^= 1 << a.r.IntN(8)
	case outTruncate:
		p.blob = p.blob[:a.r.IntN(len(p.blob)-1)+1]
	case outEarlier:
		p.blob = a.own(a.earlier.outward).blob
	case outMisdeliver:
		p.conn = 1 + p.conn%h.next
	case outReflect:
		own := a.own(h.inward)
		if own == nil {
			a.struck = false
			return []packet{p}
		}
		p.blob = own.blob
	case outPayload, outMissing:
		return a.payload(p)
	case outSurplus:
		p.payloads = append(p.payloads, []byte("surplus"))
	case outRefusal:
		h.write(h.links[p.conn], wire.AppendRefuse(nil, wire.Kind(1+a.r.IntN(130))))
		return nil
	default: // heartbeats are withheld from here on
	}
	return []packet{p}
}

// payload changes or removes one.
func (a *attack) payload(p packet) []packet {
	if len(p.payloads) == 0 {
		a.struck = false
		a.at++ // the next one
		return []packet{p}
	}
	if a.verb == outMissing {
		p.payloads = p.payloads[:len(p.payloads)-1]
	} else {
		b := p.payloads[0]
		b[a.r.IntN(len(b))] ^= 1 << a.r.IntN(8)
	}
	return []packet{p}
}

// foreign is a blob of another session.
func (a *attack) foreign(all []packet) *packet {
	for i := range all {
		if all[i].conn != a.conn {
			p := all[i].clone()
			return &p
		}
	}
	return nil
}

// own is a blob of this session.
func (a *attack) own(all []packet) *packet {
	for i := range all {
		if all[i].conn == a.conn {
			p := all[i].clone()
			return &p
		}
	}
	return nil
}

// clock is what the core is told.
func (a *attack) clock(now time.Time) time.Time {
	switch {
	case a.count == 0 && a.verb != clockBack && a.verb != clockAhead:
		return now
	case a.verb == clockBack && a.count >= a.at:
		a.struck = true
		return now.Add(-365 * 24 * time.Hour)
	case a.verb == clockAhead && a.count >= a.at:
		a.struck = true
		return now.Add(365 * 24 * time.Hour)
	}
	if a.verb == clockBack || a.verb == clockAhead {
		a.count++
	}
	return now
}
