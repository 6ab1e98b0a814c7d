using System.Buffers;
using System.Text;
using System.Text.Json;
using ChannelSdk.Host.Launch;
using ChannelSdk.Host.Snapshots;
using ChannelSdk.Protocol.Text;

namespace ChannelSdk.Cli.Commands;

/// <summary>Snapshots and repairs, as lines for a person or as JSON, an object a line.</summary>
internal static class SnapshotView
{
    public static void Show(string instance, IReadOnlyList<(string Name, SnapshotStamp Stamp)> snapshots, bool isJson)
    {
        foreach (var (name, stamp) in snapshots)
        {
            var kind = stamp.Kind.ToString().ToLowerInvariant();
            Console.WriteLine(!isJson ? $"{instance} {name} {kind} {stamp.Taken:u}{(stamp.IsGated ? " gated" : "")}{(stamp.IsFrozen ? " frozen" : "")}{(stamp.AreDisksElsewhere ? " disks by command" : $" {stamp.Disks.Count} disks")}" : Line(json =>
            {
                json.WriteString("instance", instance);
                json.WriteString("name", name);
                json.WriteString("kind", kind);
                json.WriteString("taken", stamp.Taken);
                json.WriteBoolean("gated", stamp.IsGated);
                json.WriteBoolean("frozen", stamp.IsFrozen);
                json.WriteString("agent_version", stamp.AgentVersion);
                json.WriteStartArray("disks");
                foreach (var disk in stamp.Disks)
                {
                    json.WriteStringValue(disk.Path);
                }

                json.WriteEndArray();
            }));
        }
    }

    public static void Show(string instance, SnapshotReport report, bool isJson)
    {
        if (!isJson)
        {
            ShowSteps(report);
            Console.WriteLine($"{instance} is ready, generation {report.Generation:N}{(report.IsGated ? "" : "; its programs ran before it was repaired")}");
            return;
        }

        Console.WriteLine(Line(json =>
        {
            json.WriteString("instance", instance);
            json.WriteString("generation", report.Generation?.ToString("N"));
            json.WriteBoolean("gated", report.IsGated);
            json.WriteStartArray("steps");
            foreach (var step in report.Steps)
            {
                json.WriteStartObject();
                json.WriteString("name", step.Name);
                json.WriteString("outcome", Word(step));
                json.WriteNumber("elapsed_us", (long)step.Elapsed.TotalMicroseconds);
                json.WriteBoolean("mandatory", step.IsMandatory);
                json.WriteString("reason", step.Reason);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }));
    }

    public static void ShowSteps(SnapshotReport report)
    {
        foreach (var step in report.Steps)
        {
            Console.WriteLine(FormattableString.Invariant($"{SafeText.Escape(step.Name)}: {Word(step)} {step.Elapsed.TotalMilliseconds:0.0} ms {SafeText.Escape(step.Reason)}").TrimEnd());
        }
    }

    private static string Word(SnapshotStep step) => step.Outcome.ToString().ToLowerInvariant();

    private static string Line(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
