package main

import (
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

func (log *publishedLog) judgeBundle(text []byte, path string, bytes []byte) error {
	tree, err := log.openCheckpoint(text)
	if err != nil {
		return err
	}
	for _, tile := range tilesOf(tree.N) {
		if tile.L < 0 && pathOf(tile) == path {
			return log.judgeEntries(tree, tile, bytes)
		}
	}
	return errors.New("the tree has no such entries")
}

func (log *publishedLog) judgeEntries(tree tlog.Tree, tile tlog.Tile, bytes []byte) error {
	entries, err := entriesOf(bytes)
	if err != nil {
		return err
	}
	if len(entries) != tile.W {
		return fmt.Errorf("%d entries where there must be %d", len(entries), tile.W)
	}
	tile.L = 0
	hashes, err := hashesIn(tree, tileFiles{folder: log.folder}, tile)
	if err != nil {
		return err
	}
	for i, entry := range entries {
		if tlog.RecordHash(entry) != hashes[i] {
			return fmt.Errorf("entry %d is another", tile.N<<tileHeight+int64(i))
		}
	}
	return nil
}

// entriesOf splits a bundle: each entry has its length before it, in two bytes.
func entriesOf(bundle []byte) ([][]byte, error) {
	var entries [][]byte
	for len(bundle) > 0 {
		if len(bundle) < 2 {
			return nil, errors.New("the lengths do not come out")
		}
		end := 2 + int(bundle[0])<<8 + int(bundle[1])
		if end > len(bundle) {
			return nil, errors.New("the lengths do not come out")
		}
		entries = append(entries, bundle[2:end])
		bundle = bundle[end:]
	}
	return entries, nil
}

// storedHashes keeps what tlog.StoredHashes makes, and reads it back for it.
type storedHashes []tlog.Hash

func (stored storedHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	found := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		found[i] = stored[index]
	}
	return found, nil
}

// judgeWhole makes the root anew from every entry, and every tile.
func (log *publishedLog) judgeWhole(text []byte) error {
	tree, err := log.openCheckpoint(text)
	if err != nil {
		return err
	}
	made, err := log.hashesOfEntries(tree)
	if err != nil {
		return err
	}
	for _, tile := range tilesOf(tree.N) {
		if tile.L < 0 {
			continue
		}
		if err := compareTile(tree, made, tile, tileFiles{folder: log.folder}); err != nil {
			return err
		}
	}
	return nil
}

// hashesOfEntries makes the whole tree from the entries alone; its root must be the one that was signed.
func (log *publishedLog) hashesOfEntries(tree tlog.Tree) (storedHashes, error) {
	if log.madeOf == tree {
		return log.made, nil
	}
	files := tileFiles{folder: log.folder}
	var made storedHashes
	var count int64
	for _, tile := range tilesOf(tree.N) {
		if tile.L >= 0 {
			continue
		}
		bundle, err := files.read(pathOf(tile))
		if err != nil {
			return nil, err
		}
		entries, err := entriesOf(bundle)
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			hashes, err := tlog.StoredHashes(count, entry, made)
			if err != nil {
				return nil, err
			}
			made = append(made, hashes...)
			count++
		}
	}
	root, err := tlog.TreeHash(tree.N, made)
	if err != nil {
		return nil, err
	}
	if count != tree.N || root != tree.Hash {
		return nil, fmt.Errorf("%d entries make the root %v", count, root)
	}
	log.made, log.madeOf = made, tree
	return made, nil
}
