package figure

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	// dpi makes a PNG 1,296 by 720 pixels.
	dpi = 144
	// fallback names fonts of nearly the same widths, for readers of an SVG who have not the one that it was laid out with.
	fallback = "font-family:Liberation Sans,Arial,Helvetica,sans-serif;"
	// fileMode lets everybody read what is published anyway.
	fileMode = 0o644
)

// canvas is what a chart is drawn on and written from.
type canvas interface {
	vg.CanvasSizer
	io.WriterTo
}

// Save draws the chart into a file, SVG or PNG by the end of its name. A chart that cannot be drawn leaves no file, and changes none.
func (c Chart) Save(path string) error {
	b, err := c.encode(filepath.Ext(path))
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, b, fileMode); err != nil { // #nosec G306 -- published anyway
		return &Error{Op: "file", Kind: KindWrite, Err: err}
	}
	return nil
}

// encode returns the bytes of the file.
func (c *Chart) encode(ext string) ([]byte, error) {
	var to canvas
	switch strings.ToLower(ext) {
	case ".svg":
		to = vgsvg.New(width, height)
	case ".png":
		to = vgimg.PngCanvas{Canvas: vgimg.NewWith(vgimg.UseWH(width, height), vgimg.UseDPI(dpi))}
	default:
		return nil, &Error{Op: "file name", Kind: KindFormat}
	}
	if err := c.render(to); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := to.WriteTo(&b); err != nil {
		return nil, &Error{Op: "drawing", Kind: KindWrite, Err: err}
	}
	return bytes.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans;"), []byte(fallback)), nil
}
