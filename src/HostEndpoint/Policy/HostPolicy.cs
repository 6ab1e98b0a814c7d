using System.Text.Json;
using System.Text.Json.Serialization;
using ChannelSdk.Protocol;
using ChannelSdk.Transports.Native;

namespace ChannelSdk.HostEndpoint.Policy;

/// <summary>
/// What this host lets itself ask of a guest, and the guest of it. The image has a policy of its own
/// (/etc/channel-agent/policy.toml); a call happens only if both allow it.
/// </summary>
public sealed record HostPolicy
{
    /// <summary>Everything that the image allows; and the guest may ask for everything that is served to it.</summary>
    public static HostPolicy Open { get; } = new();

    private const int MaxBytes = 1 << 20;

    /// <summary>Methods that this host may call: <c>freeze.Freeze</c>, <c>freeze.*</c> or <c>*</c>.</summary>
    public IReadOnlyList<string> HostMay { get; init; } = ["*"];

    /// <summary>Methods that the guest may call, in the same form.</summary>
    public IReadOnlyList<string> GuestMay { get; init; } = ["*"];

    /// <summary>Reads a JSON document with the members <c>host_may</c> and <c>guest_may</c>, lists of methods; one that is missing allows all.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="ChannelException">BadConfiguration: it cannot be read, or is not that.</exception>
    public static HostPolicy Load(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        try
        {
            var document = JsonSerializer.Deserialize(Read(path), PolicyJson.Default.PolicyDocument)
                ?? throw new JsonException("it is null");
            return new HostPolicy { HostMay = Check(document.HostMay), GuestMay = Check(document.GuestMay) };
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"the host's policy {path}: {(e is JsonException json ? WhatOf(json) : FileFault.Describe(e))}; it is like {{\"host_may\": [\"info.*\", \"freeze.*\"], \"guest_may\": [\"metadata.Relay\"]}}");
        }
    }

    // The runtime's own text ends with positions that count from 0.
    private static string WhatOf(JsonException e)
    {
        var end = e.Message.IndexOf(e.Path is null ? " LineNumber:" : " Path:", StringComparison.Ordinal);
        var what = (end < 0 ? e.Message : e.Message[..end]).Trim();
        return e.LineNumber is { } line ? $"line {line + 1}: {what}" : what;
    }

    /// <summary>The file's bytes; a device or pipe without an end is not read for ever.</summary>
    private static ReadOnlySpan<byte> Read(string path)
    {
        var bytes = new byte[MaxBytes + 1];
        using var file = File.OpenRead(path);
        var count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return count <= MaxBytes ? bytes.AsSpan(0, count) : throw new IOException($"it has more than {MaxBytes} bytes");
    }

    /// <summary>Checks both lists.</summary>
    /// <exception cref="ChannelException">BadConfiguration: one is null, or has what is no method.</exception>
    internal void Validate()
    {
        foreach (var (name, patterns) in ((string, IReadOnlyList<string>?)[])[(nameof(HostMay), HostMay), (nameof(GuestMay), GuestMay)])
        {
            if (patterns is null || !patterns.All(IsPattern))
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"{name} of the host's policy has what is no method; write service.Method, service.* or *");
            }
        }
    }

    internal static bool Allows(IReadOnlyList<string> patterns, string method)
    {
        foreach (var pattern in patterns)
        {
            if (pattern == "*" || pattern == method
                || (pattern.EndsWith(".*", StringComparison.Ordinal) && method.StartsWith(pattern.AsSpan(0, pattern.Length - 1), StringComparison.Ordinal)))
            {
                return true;
            }
        }

        return false;
    }

    private static string[] Check(string[]? patterns)
    {
        foreach (var pattern in patterns ?? [])
        {
            if (!IsPattern(pattern))
            {
                throw new JsonException($"'{pattern}' is no method: write service.Method, service.* or *");
            }
        }

        return patterns ?? ["*"];
    }

    private static bool IsPattern(string? pattern)
    {
        var name = pattern?.EndsWith(".*", StringComparison.Ordinal) == true ? pattern[..^2] : pattern;
        return name is "*" || (!string.IsNullOrEmpty(name) && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '.'));
    }
}

internal sealed record PolicyDocument([property: JsonPropertyName("host_may")] string[]? HostMay, [property: JsonPropertyName("guest_may")] string[]? GuestMay);

[JsonSourceGenerationOptions(UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(PolicyDocument))]
internal sealed partial class PolicyJson : JsonSerializerContext;
