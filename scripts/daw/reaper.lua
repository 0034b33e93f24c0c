-- @description midi-diffuse on the selected items
-- @author midi-diffuse
-- @about
--   Runs midi-diffuse on the selected MIDI items: harmonize, continue, vary or infill. What it plays
--   goes on a new track, in time with the item. Install midi-diffuse first, so that the command
--   `midi-diffuse` works in a terminal; or set the environment variable MIDI_DIFFUSE to its path.

local TICKS = 960 -- of a quarter note, in the files
local command, options

local function fail (text)
	error (text, 0)
end

--@ shared.lua

-- Reaper --------------------------------------------------------------------------------------

-- The item's notes from the bar line before it on, and where that is, in quarter notes.
local function notes_of (item, take)
	local from = reaper.GetMediaItemInfo_Value (item, "D_POSITION")
	local upto = from + reaper.GetMediaItemInfo_Value (item, "D_LENGTH")
	local first, last = reaper.TimeMap2_timeToQN (0, from), reaper.TimeMap2_timeToQN (0, upto)
	local _, bar = reaper.TimeMap_QNToMeasures (0, first)
	local notes, _, count = {}, reaper.MIDI_CountEvts (take)
	for i = 0, count - 1 do
		local _, _, muted, start, stop, _, pitch, velocity = reaper.MIDI_GetNote (take, i)
		local begins = reaper.MIDI_GetProjQNFromPPQPos (take, start)
		local ends = math.min (reaper.MIDI_GetProjQNFromPPQPos (take, stop), last)
		if not muted and begins >= first and begins < last then
			notes[#notes + 1] = { start = math.floor ((begins - bar) * TICKS + 0.5),
				length = math.max (math.floor ((ends - begins) * TICKS + 0.5), 1),
				pitch = pitch, velocity = velocity }
		end
	end
	return notes, bar
end

local function new_track ()
	local at = reaper.CountTracks (0)
	reaper.InsertTrackAtIndex (at, true)
	local track = reaper.GetTrack (0, at)
	reaper.GetSetMediaTrackInfo_String (track, "P_NAME", "midi-diffuse", true)
	return track
end

local function put (notes, bar)
	local last = 0
	for _, note in ipairs (notes) do last = math.max (last, note.start + note.length) end
	local from = reaper.TimeMap2_QNToTime (0, bar)
	local upto = reaper.TimeMap2_QNToTime (0, bar + last / TICKS)
	local item = reaper.CreateNewMIDIItemInProj (new_track (), from, upto, false)
	local take = reaper.GetActiveTake (item)
	for _, note in ipairs (notes) do
		local start = reaper.MIDI_GetPPQPosFromProjQN (take, bar + note.start / TICKS)
		local stop = reaper.MIDI_GetPPQPosFromProjQN (take, bar + (note.start + note.length) / TICKS)
		reaper.MIDI_InsertNote (take, false, false, start, stop, note.channel, note.pitch,
			note.velocity, true)
	end
	reaper.MIDI_Sort (take)
end

local function answer (item, take)
	local notes, bar = notes_of (item, take)
	if #notes == 0 then fail ("there are no notes in the item") end
	local beats, unit, bpm = reaper.TimeMap_GetTimeSigAtTime (0, reaper.TimeMap2_QNToTime (0, bar))
	put (answer_to (notes, bpm, beats, unit), bar)
end

local function main ()
	local takes = {}
	for i = 0, reaper.CountSelectedMediaItems (0) - 1 do
		local item = reaper.GetSelectedMediaItem (0, i)
		local take = reaper.GetActiveTake (item)
		if take and reaper.TakeIsMIDI (take) then takes[#takes + 1] = { item, take } end
	end
	if #takes == 0 then fail ("select a MIDI item first") end
	local ok, words = reaper.GetUserInputs ("midi-diffuse", 2,
		"Command,Options,extrawidth=200,separator=\n", "harmonize\n--preset default")
	if not ok then return end
	command, options = words:match ("^(%a+)\n(.*)$")
	if not command then fail ("the command is harmonize, continue, vary or infill") end
	reaper.Undo_BeginBlock ()
	local done, text = pcall (function ()
		for _, each in ipairs (takes) do answer (each[1], each[2]) end
	end)
	reaper.Undo_EndBlock ("midi-diffuse " .. command, -1)
	reaper.UpdateArrange ()
	if not done then fail (text) end
end

local done, text = pcall (main)
if not done then reaper.ShowMessageBox (text, "midi-diffuse", 0) end
