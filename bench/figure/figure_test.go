package figure

import (
	"bytes"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/plot"
)

func sample() Chart {
	x := []float64{1000, 10_000, 100_000, 500_000}
	return Chart{
		Title: "Time of one event", X: Axis{Label: "subscriptions", Log: true}, Y: Axis{Label: "ns an event", Log: true},
		Series: []Series{
			{"plain", x, []float64{220, 310, 800, 2600}},
			{"sealed", x, []float64{1220, 1310, 1900, 3800}},
			{"process, 1", x, []float64{41_000, 42_000, 44_000, 47_000}},
			{"process, 16", x, []float64{5000, 5100, 6000, 8000}},
			{"process, 256", x, []float64{2000, 2100, 2900, 5000}},
		},
		Marks: []Mark{{190_000, "93 MiB at 505 B"}},
	}
}

func TestSameBytesForTheSameChart(t *testing.T) {
	dir := t.TempDir()
	for _, ext := range []string{".svg", ".png"} {
		var files [2][]byte
		for i := range files {
			path := filepath.Join(dir, "chart"+ext)
			require.NoError(t, sample().Save(path))
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			files[i] = b
		}
		require.True(t, bytes.Equal(files[0], files[1]), ext)
		other := sample()
		other.Series[0].Y[2] *= 2
		b, err := other.encode(ext)
		require.NoError(t, err)
		require.False(t, bytes.Equal(files[0], b), "%s: the data are not in the picture", ext)
	}
}

func TestAllTextIsInTheSVG(t *testing.T) {
	c := sample()
	b, err := c.encode(".svg")
	require.NoError(t, err)
	for _, text := range []string{"Time of one event", "subscriptions", "ns an event", "process, 256", "93 MiB at 505 B", ">2k<", ">100k<", "sans-serif"} {
		require.Contains(t, string(b), text)
	}
}

func TestPNGCanBeDecoded(t *testing.T) {
	c := sample()
	b, err := c.encode(".PNG")
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, 1296, img.Bounds().Dx())
	require.Equal(t, 720, img.Bounds().Dy())
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	for name, row := range map[string]struct {
		kind   Kind
		file   string
		change func(c *Chart)
	}{
		"no series":         {KindEmpty, "a.svg", func(c *Chart) { c.Series = nil }},
		"no points":         {KindEmpty, "a.svg", func(c *Chart) { c.Series = []Series{{Name: "x"}} }},
		"lengths":           {KindData, "a.svg", func(c *Chart) { c.Series[1].Y = c.Series[1].Y[:2] }},
		"zero on log":       {KindData, "a.svg", func(c *Chart) { c.Series[0].Y[0] = 0 }},
		"not a number":      {KindData, "a.svg", func(c *Chart) { c.Y.Log, c.Series[0].Y[0] = false, math.NaN() }},
		"infinite":          {KindData, "a.svg", func(c *Chart) { c.Series[0].Y[0] = math.Inf(1) }},
		"mark below zero":   {KindData, "a.svg", func(c *Chart) { c.Marks[0].X = -1 }},
		"many series":       {KindLimit, "a.svg", func(c *Chart) { c.Series = make([]Series, MaxSeries+1) }},
		"many points":       {KindLimit, "a.svg", func(c *Chart) { c.Series[0].X = make([]float64, MaxPoints+1) }},
		"many marks":        {KindLimit, "a.svg", func(c *Chart) { c.Marks = make([]Mark, MaxMarks+1) }},
		"long title":        {KindLimit, "a.svg", func(c *Chart) { c.Title = string(make([]byte, MaxText+1)) }},
		"unknown extension": {KindFormat, "a.gif", func(*Chart) {}},
		"no folder":         {KindWrite, filepath.Join("none", "a.svg"), func(*Chart) {}},
	} {
		t.Run(name, func(t *testing.T) {
			c := sample()
			row.change(&c)
			path := filepath.Join(dir, row.file)
			require.ErrorIs(t, c.Save(path), &Error{Kind: row.kind})
			require.NoFileExists(t, path)
		})
	}
}

// TestDegenerateRangesAreDrawn: one point, a flat line, zero and negative numbers.
func TestDegenerateRangesAreDrawn(t *testing.T) {
	for _, y := range [][]float64{{5}, {0}, {-3}, {7, 7}, {-2, 4}} {
		x := []float64{1, 2}[:len(y)]
		for _, log := range []bool{false, y[0] > 0} {
			c := Chart{Y: Axis{Log: log}, X: Axis{Log: log, Bytes: true}, Series: []Series{{"", x, y}}}
			_, err := c.encode(".svg")
			require.NoError(t, err)
		}
	}
}

func TestManySeriesLookDifferent(t *testing.T) {
	seen := map[string]bool{}
	for i := range MaxSeries {
		c := Chart{Series: []Series{}}
		for j := range i + 1 {
			c.Series = append(c.Series, Series{X: []float64{1, 2}, Y: []float64{1, 2}})
			if j < i {
				c.Series[j].X, c.Series[j].Y = nil, nil
			}
		}
		b, err := c.encode(".svg")
		require.NoError(t, err)
		require.False(t, seen[string(b)], "series %d looks like one before", i)
		seen[string(b)] = true
	}
}

func labels(all []plot.Tick) (texts []string) {
	for _, tick := range all {
		if tick.Label != "" {
			texts = append(texts, tick.Label)
		}
	}
	return texts
}

func TestTicks(t *testing.T) {
	for name, row := range map[string]struct {
		axis      Axis
		low, high float64
		want      []string
	}{
		"decades by 1, 2, 5": {Axis{Log: true}, 0.9, 110, []string{"1", "2", "5", "10", "20", "50", "100"}},
		"many decades":       {Axis{Log: true}, 1, 1e6, []string{"1", "10", "100", "1k", "10k", "100k", "1M"}},
		"small ones":         {Axis{Log: true}, 0.01, 0.1, []string{"0.01", "0.02", "0.05", "0.1"}},
		"sizes":              {Axis{Log: true, Bytes: true}, 1 << 19, 1 << 22, []string{"512 KiB", "1 MiB", "2 MiB", "4 MiB"}},
		"even":               {Axis{}, 0, 10, []string{"0", "2", "4", "6", "8", "10"}},
		"even sizes":         {Axis{Bytes: true}, 0, 10 << 20, []string{"0 B", "2 MiB", "4 MiB", "6 MiB", "8 MiB", "10 MiB"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, row.want, labels(ticks(row.axis).Ticks(row.low, row.high))) })
	}
}

// TestTicksAreBounded: whatever an axis may hold, its ticks are few.
func TestTicksAreBounded(t *testing.T) {
	for _, bytes := range []bool{false, true} {
		all := ticks(Axis{Log: true, Bytes: bytes}).Ticks(1e-100, 1e100)
		require.LessOrEqual(t, len(all), maxTicks)
		require.NotEmpty(t, labels(all))
		require.LessOrEqual(t, len(labels(all)), 2*fewTicks)
	}
}
