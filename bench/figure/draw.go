package figure

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Sizes on the paper.
const (
	width     = 9 * vg.Inch
	height    = 5 * vg.Inch
	margin    = 10 // points
	labelRoom = 18
	large     = 14 // points of the title
	ordinary  = 11
	small     = 10
	lineWidth = 1.6
	glyphSize = 3.6
)

// look is how a series is told from the others: colours of Okabe and Ito, which colour-blind readers can tell apart, and a
// shape and a dash each.
type look struct {
	color color.RGBA
	shape draw.GlyphDrawer
	dash  []vg.Length
}

func looks() []look {
	return []look{
		{color.RGBA{0, 114, 178, 255}, draw.CircleGlyph{}, nil},
		{color.RGBA{213, 94, 0, 255}, draw.BoxGlyph{}, []vg.Length{7, 3}},
		{color.RGBA{0, 158, 115, 255}, draw.PyramidGlyph{}, []vg.Length{2, 2}},
		{color.RGBA{204, 121, 167, 255}, draw.RingGlyph{}, []vg.Length{8, 3, 2, 3}},
		{color.RGBA{230, 159, 0, 255}, draw.SquareGlyph{}, []vg.Length{12, 4}},
		{color.RGBA{86, 180, 233, 255}, draw.TriangleGlyph{}, []vg.Length{4, 4}},
		{color.RGBA{60, 60, 60, 255}, draw.CrossGlyph{}, []vg.Length{8, 2, 2, 2, 2, 2}},
	}
}

// lookOf gives the series beyond the colours another combination of them.
func lookOf(i int) look {
	all := looks()
	l := all[i%len(all)]
	if round := i / len(all); round > 0 {
		l.shape = all[(i+round)%len(all)].shape
		l.dash = all[(i+2*round)%len(all)].dash
	}
	return l
}

// render draws the chart, with the legend at its right, onto a canvas.
func (c *Chart) render(to vg.CanvasSizer) error {
	x, y, err := c.check()
	if err != nil {
		return err
	}
	p := c.plot(c.X.room(x), c.Y.room(y))
	legend := plot.NewLegend()
	legend.TextStyle.Font = face(ordinary, xfont.WeightNormal)
	legend.Top, legend.Left, legend.YPosition = true, true, draw.PosCenter
	legend.ThumbnailWidth, legend.Padding = vg.Points(34), vg.Points(4)
	for i, s := range c.Series {
		line, points, err := s.lines(lookOf(i))
		if err != nil {
			return &Error{Op: "series", Kind: KindData, Err: err}
		}
		p.Add(line, points)
		if s.Name != "" {
			legend.Add(s.Name, line, points)
		}
	}
	paper := draw.New(to)
	paper.SetColor(color.White)
	paper.Fill(paper.Path())
	paper = draw.Crop(paper, margin, -margin, margin, -margin)
	room := legend.Rectangle(paper).Size().X + 2*margin
	p.Draw(draw.Crop(paper, labelRoom, -room, 0, 0))
	paper.FillText(upright(color.Black, ordinary, draw.XCenter, draw.YTop), vg.Point{X: paper.Min.X, Y: paper.Center().Y}, c.Y.Label)
	legend.Draw(draw.Crop(paper, paper.Size().X-room+margin, 0, 0, -2*margin))
	return nil
}

// plot makes the frame: title, axes, grid and marks.
func (c *Chart) plot(x, y extent) *plot.Plot {
	p := plot.New()
	p.Title.Text, p.Title.Padding = c.Title, vg.Points(8)
	p.Title.TextStyle.Font = face(large, xfont.WeightBold)
	axis(&p.X, c.X, x)
	axis(&p.Y, c.Y, y)
	p.Y.Label.Text = "" // the library makes room for it above the frame as well; render draws it
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{225}, color.Gray{225}
	p.Add(grid)
	if len(c.Marks) > 0 {
		p.Add(marks(c.Marks))
	}
	return p
}

func axis(to *plot.Axis, a Axis, e extent) {
	to.Min, to.Max = e.low, e.high
	to.Label.Text, to.Label.Padding = a.Label, vg.Points(4)
	to.Label.TextStyle.Font = face(ordinary, xfont.WeightNormal)
	to.Tick.Label.Font = face(small, xfont.WeightNormal)
	to.Tick.Marker = ticks(a)
	to.Padding = 0
	if a.Log {
		to.Scale = plot.LogScale{}
	}
}

func (s *Series) lines(l look) (*plotter.Line, *plotter.Scatter, error) {
	xy := make(plotter.XYs, len(s.X))
	for i := range s.X {
		xy[i] = plotter.XY{X: s.X[i], Y: s.Y[i]}
	}
	if len(xy) == 0 { // named in the legend, and nowhere else
		return &plotter.Line{LineStyle: l.stroke()}, &plotter.Scatter{GlyphStyle: l.glyph()}, nil
	}
	line, points, err := plotter.NewLinePoints(xy)
	if err != nil {
		return nil, nil, err
	}
	line.LineStyle, points.GlyphStyle = l.stroke(), l.glyph()
	return line, points, nil
}

func (l look) stroke() draw.LineStyle {
	return draw.LineStyle{Color: l.color, Width: vg.Points(lineWidth), Dashes: l.dash}
}

func (l look) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Color: l.color, Radius: vg.Points(glyphSize), Shape: l.shape}
}

// face is the sans-serif font that the library brings with it.
func face(points float64, weight xfont.Weight) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: vg.Points(points)}
}

// marks draws vertical lines with their labels upright along them, at the top.
type marks []Mark

// Plot draws them; it implements plot.Plotter.
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	tx, _ := p.Transforms(&c)
	ink := color.Gray{90}
	stroke := draw.LineStyle{Color: ink, Width: vg.Points(1), Dashes: []vg.Length{1, 2}}
	for _, one := range m {
		x := tx(one.X)
		c.StrokeLine2(stroke, x, c.Min.Y, x, c.Max.Y)
		c.FillText(upright(ink, small, draw.XRight, draw.YBottom), vg.Point{X: x - vg.Points(3), Y: c.Max.Y - vg.Points(4)}, one.Label)
	}
}

// upright is the style of text that runs upwards.
func upright(ink color.Color, points float64, x text.XAlignment, y text.YAlignment) text.Style {
	const quarter = 1.5707963267948966
	return text.Style{
		Color: ink, Font: face(points, xfont.WeightNormal), Rotation: quarter,
		XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler,
	}
}
