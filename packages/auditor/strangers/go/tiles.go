package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// tileFiles gives Go's code the tiles of a folder, with one of them in another form.
type tileFiles struct {
	folder string
	path   string
	bytes  []byte
}

func (files tileFiles) Height() int                     { return tileHeight }
func (files tileFiles) SaveTiles([]tlog.Tile, [][]byte) {}

func (files tileFiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	found := make([][]byte, len(tiles))
	for i, tile := range tiles {
		content, err := files.read(pathOf(tile))
		if err != nil {
			return nil, err
		}
		found[i] = content
	}
	return found, nil
}

func (files tileFiles) read(path string) ([]byte, error) {
	if path == files.path {
		return files.bytes, nil
	}
	return os.ReadFile(filepath.Join(files.folder, filepath.FromSlash(path)))
}

// pathOf names a tile as c2sp.org/tlog-tiles does: without its height, and with "entries" for "data".
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", tileHeight))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// tilesOf lists the tiles of a tree of that size, the last of each level as wide as it is; level -1 holds the entries.
func tilesOf(size int64) []tlog.Tile {
	var tiles []tlog.Tile
	for level := -1; level < 0 || size>>(level*tileHeight) > 0; level++ {
		hashes := size
		if level > 0 {
			hashes = size >> (level * tileHeight)
		}
		for first := int64(0); first < hashes; first += 1 << tileHeight {
			width := hashes - first
			if width > 1<<tileHeight {
				width = 1 << tileHeight
			}
			tiles = append(tiles, tlog.Tile{H: tileHeight, L: level, N: first >> tileHeight, W: int(width)})
		}
	}
	return tiles
}

func (log *publishedLog) judgeTile(text []byte, path string, tileBytes []byte) error {
	tree, err := log.openCheckpoint(text)
	if err != nil {
		return err
	}
	made, err := log.hashesOfEntries(tree)
	if err != nil {
		return err
	}
	for _, tile := range tilesOf(tree.N) {
		if tile.L >= 0 && pathOf(tile) == path {
			return compareTile(tree, made, tile, tileFiles{log.folder, path, tileBytes})
		}
	}
	return errors.New("the tree has no such tile")
}

// compareTile asks twice. Before x/mod v0.40 the reader of tiles did not check the first of them against the root
// (Debian 12 has v0.7), so what the entries make of a tile counts too.
func compareTile(tree tlog.Tree, made storedHashes, tile tlog.Tile, files tileFiles) error {
	expected, err := tlog.ReadTileData(tile, made)
	if err != nil {
		return err
	}
	found, err := files.read(pathOf(tile))
	if err != nil {
		return err
	}
	if !bytes.Equal(expected, found) {
		return errors.New("the entries make another tile")
	}
	_, err = hashesIn(tree, files, tile)
	return err
}

// hashesIn reads a tile's hashes through the code that checks each tile against the root.
func hashesIn(tree tlog.Tree, files tileFiles, tile tlog.Tile) ([]tlog.Hash, error) {
	indexes := make([]int64, tile.W)
	for i := range indexes {
		indexes[i] = tlog.StoredHashIndex(tile.L*tileHeight, tile.N<<tileHeight+int64(i))
	}
	return tlog.TileHashReader(tree, files).ReadHashes(indexes)
}
