using System.Buffers;
using System.Collections;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace ChannelSdk.Cli.Shared;

/// <summary>
/// A guest's message as JSON by the one convention of the tools: the contract's own names, numbers as numbers, nothing that a
/// terminal would obey. A message that is missing, and a number that JSON cannot have, is null.
/// </summary>
internal static class MessageJson
{
    /// <summary>Indented, without a line end.</summary>
    public static string Format(IMessage message)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            Write(json, message);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void Write(Utf8JsonWriter json, IMessage message)
    {
        json.WriteStartObject();
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            json.WritePropertyName(field.Name);
            if (field.IsRepeated)
            {
                json.WriteStartArray();
                foreach (var item in (IEnumerable)field.Accessor.GetValue(message))
                {
                    Write(json, field, item);
                }

                json.WriteEndArray();
            }
            else
            {
                Write(json, field, field.HasPresence && !field.Accessor.HasValue(message) ? null : field.Accessor.GetValue(message));
            }
        }

        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, FieldDescriptor field, object? value)
    {
        switch (value)
        {
            case null:
            case double number when !double.IsFinite(number):
            case float small when !float.IsFinite(small):
                json.WriteNullValue();
                break;
            case IMessage message:
                Write(json, message);
                break;
            case string text:
                json.WriteStringValue(text);
                break;
            case ByteString bytes:
                json.WriteBase64StringValue(bytes.Span);
                break;
            case bool flag:
                json.WriteBooleanValue(flag);
                break;
            case Enum word:
                json.WriteStringValue(field.EnumType.FindValueByNumber(Convert.ToInt32(word, null))?.Name ?? Convert.ToInt32(word, null).ToString((IFormatProvider?)null));
                break;
            default:
                JsonSerializer.Serialize(json, value, value.GetType());
                break;
        }
    }
}
