#version 330 core
// Writes the triangle's number plus one in three bytes; `color` is zero and only keeps pyrender's uniform alive.
uniform vec3 color;
out vec4 frag_color;

void main()
{
    int number = gl_PrimitiveID + 1;
    vec3 bytes = vec3(number & 255, (number >> 8) & 255, (number >> 16) & 255);
    frag_color = vec4(bytes / 255.0 + color, 1.0);
}
