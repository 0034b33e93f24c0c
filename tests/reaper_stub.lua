-- Reaper's functions that our script uses, over a song of one item: 90 bpm, 3/4, times in seconds.
-- Arguments: the script, what the user types, where the item begins and ends in quarter notes.
local script, typed, first, last = arg[1], arg[2], tonumber (arg[3]), tonumber (arg[4])
local BPM, PPQ, BAR = 90, 960, 3

local function to_time (qn) return qn * 60 / BPM end
local function to_qn (time) return time * BPM / 60 end

local item = { qn = first, stop = last, notes = {} }
for i = 0, 8 do -- quarter notes from the item's start on; the last one is muted
	item.notes[#item.notes + 1] = { false, i == 8, i * PPQ, i * PPQ + 900, 0, 60 + i % 5, 100 }
end
local tracks = {}
local made

reaper = {
	CountSelectedMediaItems = function () return first and 1 or 0 end,
	GetSelectedMediaItem = function (_, i) return i == 0 and item or nil end,
	GetActiveTake = function (it) return it end,
	TakeIsMIDI = function () return true end,
	GetMediaItemInfo_Value = function (it, key)
		if key == "D_POSITION" then return to_time (it.qn) end
		assert (key == "D_LENGTH")
		return to_time (it.stop - it.qn)
	end,
	TimeMap2_timeToQN = function (_, time) return to_qn (time) end,
	TimeMap2_QNToTime = function (_, qn) return to_time (qn) end,
	TimeMap_QNToMeasures = function (_, qn)
		local measure = math.floor (qn / BAR)
		return measure, measure * BAR, (measure + 1) * BAR
	end,
	TimeMap_GetTimeSigAtTime = function () return BAR, 4, BPM end,
	MIDI_CountEvts = function (take) return true, #take.notes, 0, 0 end,
	MIDI_GetNote = function (take, i) return true, table.unpack (take.notes[i + 1]) end,
	MIDI_GetProjQNFromPPQPos = function (take, ppq) return take.qn + ppq / PPQ end,
	MIDI_GetPPQPosFromProjQN = function (take, qn) return (qn - take.qn) * PPQ end,
	MIDI_InsertNote = function (take, ...) take.notes[#take.notes + 1] = { ... } return true end,
	MIDI_Sort = function () end,
	CountTracks = function () return #tracks end,
	InsertTrackAtIndex = function (at) table.insert (tracks, at + 1, {}) end,
	GetTrack = function (_, at) return tracks[at + 1] end,
	GetSetMediaTrackInfo_String = function (track, key, name) track[key] = name return true, name end,
	CreateNewMIDIItemInProj = function (track, from, upto)
		made = { qn = to_qn (from), stop = to_qn (upto), notes = {}, track = track }
		return made
	end,
	GetUserInputs = function (_, count, captions, defaults)
		assert (count == 2 and captions:find ("separator=\n", 1, true) and defaults)
		return typed ~= "cancel", typed
	end,
	Undo_BeginBlock = function () print ("UNDO begin") end,
	Undo_EndBlock = function (name) print ("UNDO " .. name) end,
	UpdateArrange = function () end,
	ShowMessageBox = function (text) print ("BOX " .. text) end,
}
dofile (script)
if made then
	print (string.format ("ITEM %s %g %g", made.track.P_NAME, made.qn, made.stop))
	for _, n in ipairs (made.notes) do
		print (string.format ("NOTE %g %g %d %d %d", n[3], n[4] - n[3], n[5], n[6], n[7]))
	end
end
print ("TRACKS " .. #tracks)
