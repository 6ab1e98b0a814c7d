using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>What a run of sysprep has removed, or would remove.</summary>
/// <param name="Root">The system's root folder.</param>
/// <param name="IsDry">Whether nothing was removed.</param>
/// <param name="IsRunning">Whether it is the system that runs.</param>
/// <param name="Items">What was found of each item.</param>
internal sealed record SysprepReport(string Root, bool IsDry, bool IsRunning, IReadOnlyList<SysprepCount> Items)
{
    /// <summary>Whether something is left that was to be removed.</summary>
    public bool HasFailed
    {
        get
        {
            foreach (var item in Items)
            {
                if (item.FailureCount > 0)
                {
                    return true;
                }
            }

            return false;
        }
    }

    /// <summary>A line for each item of which something was there, and in a dry run the first of its places.</summary>
    public string Text()
    {
        var text = new StringBuilder();
        long entries = 0, bytes = 0;
        foreach (var item in Items)
        {
            entries += item.Entries;
            bytes += item.Bytes;
            if (item.Entries > 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"{item.Name,-16}{item.Entries,8} entries{item.Bytes,14} bytes\n");
            }

            foreach (var link in item.Links)
            {
                text.Append(CultureInfo.InvariantCulture, $"{item.Name,-16}{link} is a link, which is not followed\n");
            }

            if (IsDry && item.Entries > 0)
            {
                foreach (var place in item.Places)
                {
                    text.Append("    ").Append(place).Append('\n');
                }

                if (item.Entries > item.Places.Count)
                {
                    text.Append(CultureInfo.InvariantCulture, $"    and {item.Entries - item.Places.Count} more\n");
                }
            }
        }

        text.Append(CultureInfo.InvariantCulture, $"{(IsDry ? "would remove" : "removed")} {entries} entries of {bytes} bytes on the disk below {Root}");
        if (IsRunning && !IsDry)
        {
            text.Append("\nthis system runs: stop it now; what its programs write until then is in the image");
        }

        return text.ToString();
    }

    /// <summary>One JSON object.</summary>
    public string Json()
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("root"u8, Root);
            json.WriteBoolean("dry_run"u8, IsDry);
            json.WriteBoolean("running"u8, IsRunning);
            json.WriteStartArray("items"u8);
            foreach (var item in Items)
            {
                json.WriteStartObject();
                json.WriteString("name"u8, item.Name);
                json.WriteNumber("entries"u8, item.Entries);
                json.WriteNumber("bytes"u8, item.Bytes);
                Write(json, "places"u8, item.Places);
                Write(json, "links"u8, item.Links);
                json.WriteNumber("failed"u8, item.FailureCount);
                Write(json, "failures"u8, item.Failures);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter json, ReadOnlySpan<byte> name, IReadOnlyList<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}
