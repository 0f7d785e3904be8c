// Package figure draws the charts of the benchmarks: lines over one pair of axes, with vertical marks, as SVG or PNG.
//
// Its callers are the benchmarks, and nobody lies to it but the numbers that they measured: what cannot be drawn (a number that is not
// finite, one below or at zero on a logarithmic axis, more than the bounds below) is refused, never dropped. It promises the same
// bytes for the same chart, so that a test can compare, and series that can be told apart without colours, by dashes and glyphs. It does
// not promise that the same chart has the same bytes under another version of the library that draws it.
package figure
