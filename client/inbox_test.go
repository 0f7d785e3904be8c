package client

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/quic-go/quic-go"
	"github.com/stretchr/testify/require"
)

func numbered(n uint64) item { return item{delivery: &Delivery{Counter: n}} }

// TestEveryWaitingReceiverWakes: hints of several pushes merge into one; whoever takes the last item of one push must wake the next
// receiver for the items of another.
func TestEveryWaitingReceiverWakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := newInbox(1 << 20)
		got := make(chan uint64, 2)
		for range 2 {
			go func() {
				if d, err := in.pop(ctx); err == nil {
					got <- d.Counter
				}
			}()
		}
		synctest.Wait() // both wait
		// The state after push{1, 2}, a third receiver that took 1 at once, and push{3}: one hint for 2 and 3.
		in.mu.Lock()
		in.front, in.next, in.back = []item{numbered(1), numbered(2)}, 1, []item{numbered(3)}
		in.mu.Unlock()
		in.signal()
		synctest.Wait()
		require.Len(t, got, 2, "a receiver sleeps while an item waits")
		cancel()
		synctest.Wait()
	})
}

// TestReceiversShareOnePush: the hint is passed on from receiver to receiver.
func TestReceiversShareOnePush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		in := newInbox(1 << 20)
		got := make(chan uint64, 8)
		for range 8 {
			go func() {
				if d, err := in.pop(ctx); err == nil {
					got <- d.Counter
				}
			}()
		}
		synctest.Wait()
		var items []item
		for n := range uint64(8) {
			items = append(items, numbered(n))
		}
		in.push(items)
		synctest.Wait()
		require.Len(t, got, 8)
		cancel()
		synctest.Wait()
	})
}

func TestMergedLossesKeepOverflow(t *testing.T) {
	for _, overflow := range [][2]bool{{true, false}, {false, true}, {true, true}, {false, false}} {
		in := newInbox(1 << 20)
		in.push([]item{{notice: &LostError{N: 2, Overflow: overflow[0]}}})
		in.push([]item{{notice: &LostError{N: 3, Overflow: overflow[1]}}})
		_, err := in.pop(t.Context())
		var lost *LostError
		require.ErrorAs(t, err, &lost)
		require.EqualValues(t, 5, lost.N)
		require.Equal(t, overflow[0] || overflow[1], lost.Overflow)
	}
}

// TestRefusalByCodeIsNamed: a refusal may come as the code of a closed connection or of a reset stream; codes that are not the router's or
// the enclave's are not believed.
func TestRefusalByCodeIsNamed(t *testing.T) {
	for name, err := range map[string]error{
		"connection": &quic.ApplicationError{Remote: true, ErrorCode: quic.ApplicationErrorCode(KindSlowConsumer)},
		"stream":     &quic.StreamError{Remote: true, ErrorCode: quic.StreamErrorCode(KindSlowConsumer)},
	} {
		e := transportError(opReceive, err)
		require.Equal(t, KindSlowConsumer, e.Kind, name)
		require.True(t, e.Claimed, "the router's word is named as such, however it comes")
	}
	for name, err := range map[string]error{
		"own reset":     &quic.StreamError{ErrorCode: quic.StreamErrorCode(KindSlowConsumer)},
		"own kind":      &quic.StreamError{Remote: true, ErrorCode: quic.StreamErrorCode(KindClosed)},
		"zero":          &quic.StreamError{Remote: true},
		"own close":     &quic.ApplicationError{ErrorCode: quic.ApplicationErrorCode(KindSlowConsumer)},
		"unknown kind":  &quic.ApplicationError{Remote: true, ErrorCode: 999},
		"huge":          &quic.ApplicationError{Remote: true, ErrorCode: 1<<16 + quic.ApplicationErrorCode(KindSlowConsumer)},
		"invented kind": &quic.ApplicationError{Remote: true, ErrorCode: quic.ApplicationErrorCode(KindIntegrity)},
	} {
		require.Equal(t, KindTransport, transportError(opReceive, err).Kind, name)
	}
}

// TestRefusalIntoAFullInboxIsCounted: what Receive tells as overflow and what Stats counts agree, also for deliveries that were refused.
func TestRefusalIntoAFullInboxIsCounted(t *testing.T) {
	r := &receiver{client: &Client{inbox: newInbox(deliveryOverhead)}, memory: newMemory()}
	r.refuse("one that fits", nil)
	r.refuse("one that does not", nil)
	require.Len(t, r.items, 2)
	var integrity *IntegrityError
	require.ErrorAs(t, r.items[0].notice, &integrity)
	require.Equal(t, &LostError{N: 1, Overflow: true}, r.items[1].notice)
	require.EqualValues(t, 2, r.memory.refused.Load())
	require.EqualValues(t, 1, r.memory.overflowed.Load())
}
