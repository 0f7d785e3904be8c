package client

import (
	"context"
	"errors"

	"github.com/scbr/scbr/keyx/message"
)

var errBadAck = errors.New("an acknowledgement of what was never published")

// acknowledge takes an acknowledgement of the enclave. An error is a fault of the
// enclave's and the end of the session.
func (o *outbox) acknowledge(ack *message.AckReader) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if ack.Run != o.id.Run || ack.Handled < o.handled || ack.Handled > o.sealed.Load() {
		return errBadAck
	}
	if err := o.refusals(ack); err != nil {
		return err
	}
	o.stats.Acknowledged += ack.Handled - o.handled
	o.handled = ack.Handled
	done := 0
	for done < o.taken && o.batches[done].flight.last() <= o.handled {
		b := o.batches[done]
		b.flight.handled = o.handled
		close(b.flight.done)
		o.retire(b)
		done++
	}
	if done < o.taken {
		o.batches[done].flight.handled = o.handled
	}
	if done > 0 {
		left := copy(o.batches, o.batches[done:])
		clear(o.batches[left:])
		o.batches = o.batches[:left]
		o.taken -= done
	}
	o.release()
	return nil
}

// refusals notes the refused publications with their flights. With mu held.
func (o *outbox) refusals(ack *message.AckReader) error {
	var r message.Refusal
	at := 0
	for {
		more, err := ack.Next(&r)
		if err != nil {
			return err
		}
		if !more {
			return nil
		}
		if r.Counter <= o.handled {
			return errBadAck
		}
		for at < o.taken && o.batches[at].flight.last() < r.Counter {
			at++
		}
		if at == o.taken || r.Counter < o.batches[at].flight.first {
			return errBadAck
		}
		f := o.batches[at].flight
		f.refused = append(f.refused, refusal{r.Counter, r.Kind})
		o.stats.Refused++
	}
}

// retire keeps an acknowledged batch for use again. With mu held.
func (o *outbox) retire(b *batch) {
	o.bytes -= b.bytes()
	b.flight, b.content = nil, nil
	if len(o.spare) < maxSpareBatches && cap(b.body) <= 2*maxBatchBytes {
		o.spare = append(o.spare, b)
	}
}

// fail ends everything that waits. What is not acknowledged stays in batches,
// sealed as it was.
func (o *outbox) fail(err *Error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.err = err
	for _, b := range o.batches {
		b.flight.err = err
		close(b.flight.done)
	}
	o.release()
	o.work.Signal()
}

// drain refuses what is new and waits until everything is acknowledged, the Client
// has ended or ctx has.
func (o *outbox) drain(ctx context.Context) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closing = true
	o.release()
	for o.err == nil && len(o.batches) > 0 {
		if o.awaitAck(ctx) != nil {
			return
		}
	}
}

// sayBye has the writer take leave after what waits, and returns how many
// publications are not acknowledged.
func (o *outbox) sayBye() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bye = true
	o.work.Signal()
	n := 0
	for _, b := range o.batches {
		n += int(b.flight.last() - max(b.flight.first-1, o.handled))
	}
	return n
}

func (o *outbox) snapshot() Stats {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stats
}
