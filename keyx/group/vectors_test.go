package group

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the vectors anew")

const vectorFile = "testdata/epochs.json"

// vectorEpoch is one epoch as it is published. Bytes are hexadecimal.
type vectorEpoch struct {
	Members []string          `json:"members"`
	Record  string            `json:"record"`  // the JWS
	Objects map[string]string `json:"objects"` // that changed
	GK      string            `json:"gk"`
}

type vectors struct {
	Domain    string            `json:"domain"`
	Group     string            `json:"group"`
	Authority string            `json:"authority"` // Ed25519
	Seeds     map[string]string `json:"seeds"`     // private keys of all who were ever members
	Epochs    []vectorEpoch     `json:"epochs"`
}

// TestVectors: what fixed randomness gives is what the file has. TestVectorsAgree (package group_test)
// reads the file by the text of PROTOCOL.md only.
func TestVectors(t *testing.T) {
	k := newKit(t)
	v := vectors{Domain: "example", Group: "desk", Authority: hex.EncodeToString(k.authority.Public()), Seeds: map[string]string{}}
	for i, c := range []struct{ add, remove []string }{
		{add: []string{"alice", "bob", "carol"}},
		{remove: []string{"bob"}},
		{},
		{add: []string{"dave", "erin", "frank"}},
		{add: []string{"bob"}, remove: []string{"alice", "carol"}},
	} {
		k.list = uint64(i / 2)
		for _, name := range c.add {
			seed := k.key(name).seed
			v.Seeds[name] = hex.EncodeToString(seed[:])
		}
		require.NoError(t, k.keeper.Apply(Change{k.newcomers(c.add...), c.remove}, k.epoch()))
		_, gk := k.keeper.GroupKey()
		e := vectorEpoch{Members: k.keeper.Members(), Objects: map[string]string{}, GK: hex.EncodeToString(gk[:])}
		for _, o := range k.keeper.pending {
			if o.name == RecordName {
				e.Record = string(o.bytes)
			} else {
				e.Objects[o.name] = hex.EncodeToString(o.bytes)
			}
		}
		v.Epochs = append(v.Epochs, e)
		require.NoError(t, k.keeper.Publish(k.store))
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	require.NoError(t, enc.Encode(v))
	if *update {
		require.NoError(t, os.WriteFile(vectorFile, b.Bytes(), 0o600))
	}
	want, err := os.ReadFile(vectorFile)
	require.NoError(t, err)
	require.Equal(t, string(want), b.String())
}
