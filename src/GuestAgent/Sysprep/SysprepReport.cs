using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace ChannelSdk.GuestAgent.Sysprep;

/// <summary>What a run of sysprep has removed, or would remove.</summary>
/// <param name="root">The system's root folder.</param>
/// <param name="isDry">Whether nothing was removed.</param>
/// <param name="isRunning">Whether it is the system that runs.</param>
/// <param name="items">What was found of each item.</param>
internal sealed class SysprepReport(string root, bool isDry, bool isRunning, List<SysprepCount> items)
{
    /// <summary>What was found of each item.</summary>
    public IReadOnlyList<SysprepCount> Items => items;

    /// <summary>Whether something is left that was to be removed.</summary>
    public bool HasFailed
    {
        get
        {
            foreach (var item in items)
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
        foreach (var item in items)
        {
            entries += item.Entries;
            bytes += item.Bytes;
            if (item.Entries > 0)
            {
                text.Append(item.Name.PadRight(16)).Append(Number(item.Entries).PadLeft(8)).Append(" entries").Append(Number(item.Bytes).PadLeft(14)).Append(" bytes\n");
            }

            foreach (var link in item.Links)
            {
                text.Append(item.Name.PadRight(16)).Append(link).Append(" is a link, which is not followed\n");
            }

            if (isDry && item.Entries > 0)
            {
                foreach (var place in item.Places)
                {
                    text.Append("    ").Append(place).Append('\n');
                }

                if (item.Entries > item.Places.Count)
                {
                    text.Append("    and ").Append(Number(item.Entries - item.Places.Count)).Append(" more\n");
                }
            }
        }

        text.Append(isDry ? "would remove " : "removed ").Append(Number(entries)).Append(" entries of ").Append(Number(bytes)).Append(" bytes on the disk below ").Append(root);
        if (isRunning && !isDry)
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
            json.WriteString("root"u8, root);
            json.WriteBoolean("dry_run"u8, isDry);
            json.WriteBoolean("running"u8, isRunning);
            json.WriteStartArray("items"u8);
            foreach (var item in items)
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

    private static string Number(long number) => number.ToString(CultureInfo.InvariantCulture);

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
