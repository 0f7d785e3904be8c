package cli

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scbr/scbr/client"
	"github.com/scbr/scbr/keyx"
	"github.com/scbr/scbr/keyx/quote"
)

// Whoever reads lines, as logs do, gets one for each error; only what points below a filter, or at help, has its own.
func TestMessage(t *testing.T) {
	require.Equal(t, "scbr: one; two", message(errors.Join(errors.New("one"), errors.New("two"))))
	require.Equal(t, "scbr: no\nsee: scbr pub --help", message(usagef("no"+seeHelp+"scbr pub --help")))
	const pointing = "scbr: --where: expected a number\n  price <\n         ^"
	require.Equal(t, pointing, message(errors.New(pointing)))

	refusal := &quote.Refusal{Check: quote.CheckMeasurement, Reason: "unknown", Remedy: "compare"}
	refused := &client.Error{Op: "dial", Kind: client.Kind(keyx.KindEvidenceRefused), Err: &keyx.Error{Op: "verify evidence", Kind: keyx.KindEvidenceRefused, Err: refusal}}
	require.Equal(t, "scbr: evidence refused (measurement): unknown; compare", message(refused))
	other := &client.Error{Op: "dial", Kind: client.Kind(keyx.KindConfigMismatch), Err: refusal}
	require.Contains(t, message(other), "configuration mismatch", "what else was wrong is kept")
}
