using System.Globalization;
using System.Text.Json;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>Processors and blocks of memory, switched on and off through /sys.</summary>
internal static class QgaHardware
{
    private const string Processors = "/sys/devices/system/cpu";
    private const string Memory = "/sys/devices/system/memory";
    private const int MaxUnits = 16384;

    public static void GetProcessors(QgaCall call)
    {
        call.Arguments.End();
        WriteUnits(call.Json, Processors, "cpu", "logical-id");
    }

    /// <summary>guest-set-vcpus: the number that was set before the first that could not be; that is an error only if it is the first.</summary>
    public static void SetProcessors(QgaCall call)
    {
        var wanted = Wanted(call.Arguments, "vcpus", "logical-id");
        var done = 0;
        foreach (var (number, isOnline) in wanted)
        {
            var folder = $"{Processors}/cpu{number}";
            var error = !Directory.Exists(folder) ? $"open(\"{folder}/\"): No such file or directory"
                : IsOnline(folder) == isOnline ? null
                : !File.Exists(folder + "/online") ? $"logical processor #{number} can't be offlined"
                : Switch(folder + "/online", isOnline ? "1" : "0");
            if (error is not null && done == 0)
            {
                throw new QgaException(error);
            }

            if (error is not null)
            {
                break;
            }

            done++;
        }

        call.Json.WriteNumberValue(done);
    }

    public static void GetMemory(QgaCall call)
    {
        call.Arguments.End();
        WriteUnits(call.Json, Memory, "memory", "phys-index");
    }

    public static void SetMemory(QgaCall call)
    {
        var wanted = Wanted(call.Arguments, "mem-blks", "phys-index");
        call.Json.WriteStartArray();
        foreach (var (number, isOnline) in wanted)
        {
            var folder = $"{Memory}/memory{number}";
            var isThere = Directory.Exists(folder);
            var isDone = isThere && (IsOnline(folder) == isOnline || Switch(folder + "/state", isOnline ? "online" : "offline") is null);
            call.Json.WriteStartObject();
            call.Json.WriteNumber("phys-index"u8, number);
            call.Json.WriteString("response"u8, !isThere ? "not-found" : isDone ? "success" : "operation-failed");
            call.Json.WriteEndObject();
        }

        call.Json.WriteEndArray();
    }

    public static void MemoryInfo(QgaCall call)
    {
        call.Arguments.End();
        if (!long.TryParse(SmallFile.Read(Memory + "/block_size_bytes").Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var size))
        {
            throw new QgaException("the guest's kernel has no memory blocks that could be switched on and off");
        }

        call.Json.WriteStartObject();
        call.Json.WriteNumber("size"u8, size);
        call.Json.WriteEndObject();
    }

    private static List<(long Number, bool IsOnline)> Wanted(QgaArguments arguments, string list, string number)
    {
        var wanted = new List<(long, bool)>();
        foreach (var item in arguments.Objects(list))
        {
            wanted.Add((item.Integer(number), item.Boolean("online")));
            _ = item.BooleanOrNull("can-offline");
            item.End();
        }

        arguments.End();
        return wanted;
    }

    private static void WriteUnits(Utf8JsonWriter json, string root, string prefix, string number)
    {
        json.WriteStartArray();
        foreach (var folder in Directory.Exists(root) ? Directory.EnumerateFileSystemEntries(root, prefix + "*").Take(MaxUnits) : [])
        {
            if (int.TryParse(Path.GetFileName(folder).AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var unit))
            {
                json.WriteStartObject();
                json.WriteNumber(number, unit);
                json.WriteBoolean("online"u8, IsOnline(folder));
                json.WriteBoolean("can-offline"u8, prefix == "cpu" ? File.Exists(folder + "/online") : SmallFile.Read(folder + "/removable").Trim() != "0");
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    // A processor that is always there has no such file.
    private static bool IsOnline(string folder) => SmallFile.Read(folder + "/online").Trim() is "1" or "";

    private static string? Switch(string file, string word)
    {
        try
        {
            File.WriteAllText(file, word);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"the kernel does not take {word} for {file}";
        }
    }
}
