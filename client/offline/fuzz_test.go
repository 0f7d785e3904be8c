package offline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fuzzBoth(f *testing.F, format Format) {
	f.Fuzz(func(t *testing.T, text string) {
		subs, err := ReadSubscriptions(strings.NewReader(text), "subs", format)
		pointed(t, err)
		pubs, err := ReadPublications(strings.NewReader(text), "pubs", format)
		pointed(t, err)
		for _, s := range subs {
			require.NoError(t, checkID(s.ID))
			for _, e := range pubs {
				s.Filter.Match(&e)
			}
		}
	})
}

// pointed: an error names a line.
func pointed(t *testing.T, err error) {
	if err == nil {
		return
	}
	var e *LineError
	require.ErrorAs(t, err, &e)
	require.Positive(t, e.Line)
	require.NotEmpty(t, e.Err.Error())
}

// FuzzReadSCBR: any text is read or refused with its line.
func FuzzReadSCBR(f *testing.F) {
	f.Add("0 1 S i symbol = 16 i high >= 364\n0 2 S i x != -1\n")
	f.Add("0 0 P i symbol 38 i date 1136160000\n0 0 P\n")
	f.Add("0 0 P i symbol 99999999999999999999\n")
	fuzzBoth(f, FormatSCBR)
}

// FuzzReadJSONL: any text is read or refused with its line.
func FuzzReadJSONL(f *testing.F) {
	f.Add(`{"id":"7","filter":"symbol = 'HAL' AND price < 50.5"}` + "\n")
	f.Add(`{"symbol":"HAL","price":49.9,"n":null,"ok":true,"i":-3}` + "\n")
	f.Add(`{"a":{"b":1}}` + "\n" + `{"a":"\ud83d\ude00\\u"}`)
	f.Add(`{"a":"\ud800"}`)
	fuzzBoth(f, FormatJSONL)
}
