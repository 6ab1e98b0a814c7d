using System.Globalization;
using System.Text;
using System.Text.Json;
using ChannelSdk.GuestAgent.Info;
using ChannelSdk.GuestAgent.Platform;
using ChannelSdk.GuestAgent.Time;
using ChannelSdk.Linux.Files;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>The commands that tell how the guest is: system, users, load, processors' time.</summary>
internal static class QgaFacts
{
    // sysconf(_SC_CLK_TCK) is 100 on every Linux of today.
    private const ulong MillisecondsPerTick = 10;
    private static readonly string[] s_cpuFields = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guestnice"];

    public static void Host(QgaCall call)
    {
        call.Arguments.End();
        call.Json.WriteStartObject();
        call.Json.WriteString("host-name"u8, UnameInfo.Load().HostName);
        call.Json.WriteEndObject();
    }

    public static void System(QgaCall call)
    {
        call.Arguments.End();
        var kernel = UnameInfo.Load();
        var release = OsRelease.ReadFile();
        var json = call.Json;
        json.WriteStartObject();
        json.WriteString("kernel-release"u8, kernel.Release);
        json.WriteString("kernel-version"u8, kernel.Version);
        json.WriteString("machine"u8, kernel.Machine);
        WriteField(json, "id", release, "ID");
        WriteField(json, "name", release, "NAME");
        WriteField(json, "pretty-name", release, "PRETTY_NAME");
        WriteField(json, "version", release, "VERSION");
        WriteField(json, "version-id", release, "VERSION_ID");
        WriteField(json, "variant", release, "VARIANT");
        WriteField(json, "variant-id", release, "VARIANT_ID");
        json.WriteEndObject();
    }

    public static void TimeZone(QgaCall call)
    {
        call.Arguments.End();
        var (name, offset) = WallClock.Zone();
        call.Json.WriteStartObject();
        call.Json.WriteString("zone"u8, name);
        call.Json.WriteNumber("offset"u8, offset);
        call.Json.WriteEndObject();
    }

    public static void Users(QgaCall call)
    {
        call.Arguments.End();
        List<UserInfo> logins = [.. LoginRecords.Load()];
        logins.Sort(static (a, b) => string.CompareOrdinal(a.Name, b.Name) is not 0 and var order ? order : a.SinceUnixMs.CompareTo(b.SinceUnixMs));
        call.Json.WriteStartArray();
        string? last = null;
        foreach (var login in logins)
        {
            // Each user once, with the first login.
            if (login.Name == last)
            {
                continue;
            }

            call.Json.WriteStartObject();
            call.Json.WriteNumber("login-time"u8, login.SinceUnixMs / 1000.0);
            call.Json.WriteString("user"u8, login.Name);
            call.Json.WriteEndObject();
            last = login.Name;
        }

        call.Json.WriteEndArray();
    }

    public static void Load(QgaCall call)
    {
        call.Arguments.End();
        var (one, five, fifteen) = ProcValues.LoadAverage(SmallFile.Read("/proc/loadavg"));
        call.Json.WriteStartObject();
        call.Json.WriteNumber("load1m"u8, one);
        call.Json.WriteNumber("load5m"u8, five);
        call.Json.WriteNumber("load15m"u8, fifteen);
        call.Json.WriteEndObject();
    }

    public static void CpuStats(QgaCall call)
    {
        call.Arguments.End();
        call.Json.WriteStartArray();
        using var table = new LineFile("/proc/stat");
        while (table.Next(out var line))
        {
            // Behind the processors come lines that are much longer.
            if (!line.StartsWith("cpu"u8))
            {
                break;
            }

            var words = Encoding.UTF8.GetString(line).Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length <= 4
                || !int.TryParse(words[0].AsSpan(3), NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                continue;
            }

            call.Json.WriteStartObject();
            call.Json.WriteString("type"u8, "linux"u8);
            call.Json.WriteNumber("cpu"u8, number);
            for (var i = 0; i < s_cpuFields.Length && i + 1 < words.Length; i++)
            {
                call.Json.WriteNumber(s_cpuFields[i], ProcValues.Count(words[i + 1]) * MillisecondsPerTick);
            }

            call.Json.WriteEndObject();
        }

        call.Json.WriteEndArray();
    }

    private static void WriteField(Utf8JsonWriter json, string name, string release, string field)
    {
        if (OsRelease.Value(release, field) is { Length: > 0 } value)
        {
            json.WriteString(name, value);
        }
    }
}
