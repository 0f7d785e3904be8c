package enclave

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/keyx"
)

// TestRatchet: a session longer than a step of its keys in both directions and of its content keys, with a publication in
// each message. What is delivered opens all along, and after the step under other content keys than the first ones.
func TestRatchet(t *testing.T) {
	const perStep, messages = 256, keyx.StepMessages + 2*256
	w := newWorld(t)
	alice, bob := w.member("alice"), w.member("bob")
	require.Equal(t, keyx.KindOK, alice.subscribe(1, "TRUE"))
	first, opened := bob.keys.Content, 0
	for sent := uint64(0); sent < messages; {
		var frames [][]byte
		var pubs []publication
		for range perStep {
			content, err := bob.keys.Content.ForMessage(sent)
			require.NoError(t, err)
			bob.keys.Content = content
			p := bob.publication("body", "x", 1)
			pubs, frames = append(pubs, p), append(frames, bob.publishFrame(p))
			sent++
		}
		out := w.step(frames...)
		w.sent = nil // memory
		bob.take(out)
		got := alice.take(out).deliveries
		require.Len(t, got, perStep)
		for i := range got {
			if i%32 == 0 || sent > keyx.StepMessages-perStep {
				got[i].requireOpens(t, "test", pubs[i])
				opened++
			}
		}
	}
	require.NotSame(t, first, bob.keys.Content)
	require.Greater(t, opened, 3*perStep)
	count, _ := bob.keys.Out.Chain()
	require.Greater(t, count, uint64(keyx.StepBlobs))
}
