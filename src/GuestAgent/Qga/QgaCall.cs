using System.Text.Json;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>One call on its way.</summary>
/// <param name="arguments">What came with it.</param>
/// <param name="client">Whose it is.</param>
/// <param name="json">Takes what it returns.</param>
/// <param name="send">Sends bytes of a reply that is too long to be kept.</param>
internal sealed class QgaCall(QgaArguments arguments, QgaClientSession client, Utf8JsonWriter json, Func<ReadOnlyMemory<byte>, ValueTask> send)
{
    /// <summary>What a reply with a value begins with, as qemu-ga writes it.</summary>
    public static ReadOnlySpan<byte> ReplyStart => "{\"return\": "u8;

    public QgaArguments Arguments => arguments;

    public QgaClientSession Client => client;

    public Utf8JsonWriter Json => json;

    /// <summary>The reply begins with the byte 0xFF.</summary>
    public bool IsDelimited { get; set; }

    /// <summary>
    /// What a reply ends with whose beginning the command has sent itself; null for a reply that is still to be sent.
    /// </summary>
    public string? SentUpTo { get; set; }

    /// <summary>Sends a part of the reply as it is.</summary>
    public ValueTask SendAsync(ReadOnlyMemory<byte> part) => send(part);
}
