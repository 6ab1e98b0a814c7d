using System.Buffers;
using System.Text.Json;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Host.Json;

/// <summary>Commands as QEMU and its guest agent take them: a JSON object on a line.</summary>
public static class JsonCommand
{
    /// <summary>A command with its line end.</summary>
    /// <param name="command">Its name.</param>
    /// <param name="arguments">A JSON object; null for none.</param>
    /// <param name="id">A number that the answer must repeat; null for none.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: arguments that are no JSON object.</exception>
    public static byte[] Line(string command, string? arguments, long? id = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(command);
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("execute", command);
            if (arguments is not null)
            {
                json.WritePropertyName("arguments");
                WriteArguments(json, arguments);
            }

            if (id is { } number)
            {
                json.WriteNumber("id", number);
            }

            json.WriteEndObject();
        }

        buffer.Write("\n"u8);
        return buffer.WrittenSpan.ToArray();
    }

    private static void WriteArguments(Utf8JsonWriter json, string arguments)
    {
        try
        {
            using var document = JsonDocument.Parse(arguments);
            if (document.RootElement.ValueKind == JsonValueKind.Object)
            {
                document.RootElement.WriteTo(json);
                return;
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Said below.
        }

        throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "arguments must be a JSON object, for instance {\"handle\": 1000}");
    }
}
